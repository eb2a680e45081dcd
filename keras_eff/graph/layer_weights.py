"""The weights of a layer, whatever its class: it is asked for them."""

import dataclasses

import keras

from keras_eff.graph.book import WeightEntry
from keras_eff.graph.book import is_changed
from keras_eff.graph.book import is_kernel
from keras_eff.graph.book import weights_of
from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightTransform

# What layers call that which their inputs are multiplied by, also those of
# which the book knows nothing.
_USUAL = {
    name: WeightEntry(name)
    for name in (
        "kernel",
        "recurrent_kernel",
        "depthwise_kernel",
        "pointwise_kernel",
        "embeddings",
        "reverse_embeddings",
    )
}


@dataclasses.dataclass(frozen=True)
class LayerWeight:
    """A weight of a layer, or of a layer inside it.

    Attributes:
        path: String, see `keras_eff.layers.WeightTransform`.
        variable: The `keras.Variable`.
        entry: What the book says of it.
    """

    path: str
    variable: keras.Variable
    entry: WeightEntry

    @property
    def channel_axes(self) -> tuple[int, ...]:
        """The axes of the weight that count its output channels."""
        return self.entry.outputs

    @property
    def is_matrix(self) -> bool:
        """Whether the last two axes are those of inputs and outputs."""
        rank = len(self.variable.shape)
        axes = (self.entry.inputs, *self.entry.outputs)
        inputs, *outputs = (axis % rank for axis in axes)
        last = {rank - 2, rank - 1}
        return inputs in last and last <= {inputs, *outputs}


def layer_weights(layer) -> list[LayerWeight]:
    """The weights of a built layer, and of those inside it, each once.

    Not those that layers have wrapped, made integers of or split (LoRA).
    """
    if isinstance(layer, TransformedWeights):
        layer = layer.layer
    found = {}
    for path, owner in _owners(layer, "", set()):
        for name, entry in _entries(owner).items():
            variable = _variable(owner, name)
            if variable is not None and id(variable) not in found:
                found[id(variable)] = LayerWeight(path + name, variable, entry)
    return list(found.values())


def _entries(layer):
    known = {entry.name: entry for entry in weights_of(layer)}
    entries = {**_USUAL, **known}
    return {k: x for k, x in entries.items() if x.inputs is not None}


def _owners(layer, path, seen):
    """Pairs of a path and a layer: this one, and all inside it."""
    if id(layer) in seen or isinstance(
        layer, (TransformedWeights, WeightTransform)
    ):
        return
    seen.add(id(layer))
    if not is_changed(layer):
        yield path, layer
    for name, child in _children(layer):
        yield from _owners(child, f"{path}{name}.", seen)


def _children(layer):
    if isinstance(layer, keras.Model):
        values = {"layers": layer.layers}
    else:
        # The list that Keras keeps of all of them would come first.
        values = {k: v for k, v in vars(layer).items() if k != "_layers"}
    for name, value in values.items():
        if isinstance(value, keras.layers.Layer):
            yield _public(layer, name, value), value
        elif isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                if isinstance(item, keras.layers.Layer):
                    yield f"{name}.{index}", item


def _public(layer, name, value):
    public = name.lstrip("_")
    return public if getattr(layer, public, None) is value else name


def _variable(layer, name):
    try:
        value = getattr(layer, name, None)
    except ValueError:
        return None
    is_variable = isinstance(value, keras.Variable)
    return value if is_variable and is_kernel(value) else None
