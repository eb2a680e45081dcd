"""Which weights of a layer can be pruned: it is asked, whatever its class."""

import dataclasses

import keras

from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightTransform

# The attributes of a layer that hold what its inputs are multiplied by.
_ATTRIBUTES = (
    "kernel",
    "recurrent_kernel",
    "depthwise_kernel",
    "pointwise_kernel",
    "embeddings",
    "reverse_embeddings",
)


@dataclasses.dataclass(frozen=True)
class PrunableWeight:
    """A weight of a layer, or of a layer inside it.

    Attributes:
        path: String, see `keras_eff.layers.WeightTransform`.
        variable: The `keras.Variable`.
        owner: The layer that has the attribute.
    """

    path: str
    variable: keras.Variable
    owner: keras.layers.Layer

    @property
    def channel_axes(self) -> tuple[int, ...]:
        """The axes of the weight that count its output channels."""
        names = [kind.__name__ for kind in type(self.owner).__mro__]
        if "EinsumDense" in names:
            inputs, kernel = _labels(self.owner)
            return tuple(i for i, x in enumerate(kernel) if x not in inputs)
        is_depthwise = any("DepthwiseConv" in name for name in names)
        if is_depthwise or self.path.endswith("depthwise_kernel"):
            return (-2, -1)
        is_transposed = any(name.endswith("Transpose") for name in names)
        return (-2,) if is_transposed else (-1,)

    @property
    def is_matrix(self) -> bool:
        """Whether the last two axes are those of inputs and outputs."""
        if not isinstance(self.owner, keras.layers.EinsumDense):
            return True
        inputs, kernel = _labels(self.owner)
        return kernel[-2] in inputs and kernel[-1] not in inputs


def prunable_weights(layer) -> list[PrunableWeight]:
    """The weights of a built layer, and of those inside it, each once.

    Not those that layers have wrapped, made integers of or split (LoRA).
    """
    if isinstance(layer, TransformedWeights):
        layer = layer.layer
    found = {}
    for path, owner in _owners(layer, "", set()):
        for name in _ATTRIBUTES:
            variable = _variable(owner, name)
            if variable is not None and id(variable) not in found:
                found[id(variable)] = PrunableWeight(
                    path + name, variable, owner
                )
    return list(found.values())


def is_changed(layer) -> bool:
    """Whether Keras has made integers of its weights, or split them."""
    mode = getattr(layer, "quantization_mode", None)
    return mode is not None or bool(getattr(layer, "lora_enabled", False))


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
    if is_variable and len(value.shape) > 1 and "float" in value.dtype:
        return value
    return None


def _labels(einsum):
    """The axes of the inputs and of the kernel in an equation."""
    inputs, kernel = einsum.equation.split("->")[0].split(",")
    return inputs, kernel.strip()
