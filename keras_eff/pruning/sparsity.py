import dataclasses

import keras
import numpy as np

from keras_eff.arguments import wrong_type
from keras_eff.graph.book import is_kernel
from keras_eff.graph.layer_weights import layer_weights
from keras_eff.graph.macs import weight_uses
from keras_eff.graph.walk import is_graph
from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightTransform
from keras_eff.layers.cloning import layers_of
from keras_eff.pruning.left_dense import masked_ids
from keras_eff.pruning.left_dense import why_dense
from keras_eff.table import format_table


@dataclasses.dataclass(frozen=True)
class WeightSparsity:
    """How many entries of one weight are zero.

    Attributes:
        name: The layer's name, and the weight's where the layer has several.
        num_weights: Number of entries.
        num_zeros: How many of them the layer computes with as exact zeros.
        num_macs: Multiply-accumulates of all entries in one sample; None where
            the model hides them in its `call`.
        reason: Why the weight is dense in a model that others are pruned of;
            None if it is not, or no weight is.
    """

    name: str
    num_weights: int
    num_zeros: int
    num_macs: int | None = None
    reason: str | None = None

    @property
    def sparsity(self) -> float:
        """Share of the entries that are zero, in [0, 1]."""
        return self.num_zeros / self.num_weights


@dataclasses.dataclass(frozen=True)
class Sparsity:
    """How many weights of a model are zero; prints as a table.

    Attributes:
        weights: A `WeightSparsity` for each.
    """

    weights: tuple[WeightSparsity, ...]

    @property
    def total(self) -> WeightSparsity:
        """All weights together."""
        macs = [w.num_macs for w in self.weights]
        return WeightSparsity(
            "total",
            sum(w.num_weights for w in self.weights),
            sum(w.num_zeros for w in self.weights),
            None if None in macs else sum(macs),
        )

    @property
    def macs_sparsity(self) -> float | None:
        """Share of the multiply-accumulates with a zero, in [0, 1].

        None where the model hides them in its `call`.
        """
        total = self.total.num_macs
        if total is None:
            return None
        zeros = sum(w.num_macs * w.sparsity for w in self.weights)
        return zeros / max(total, 1)

    def __str__(self):
        titles = {"weight": "", "entries": ",", "sparsity": ".3f"}
        rows = [
            (w.name, w.num_weights, w.sparsity, w.num_macs, w.reason)
            for w in (*self.weights, self.total)
        ]
        titles |= {"MACs": ",", "dense because": ""}
        lines = [format_table(titles, rows)]
        if self.macs_sparsity is not None:
            lines.append(f"MACs with a zero: {self.macs_sparsity:.3f}")
        return "\n".join(lines)


def sparsity(model) -> Sparsity:
    """The share of zeros in each weight of a model, and in all of them.

    Counted are the weights of two axes or more, as the layers compute with
    them: masked, and rounded if the model is quantized. Biases and the
    parameters of normalizations are not.

    Args:
        model: Built `keras.Model`.

    Returns:
        A `keras_eff.Sparsity`, which prints as a table: the share of zeros,
        the multiply-accumulates, and in a pruned model why a weight is dense.

    Raises:
        TypeError: If `model` is not a `keras.Model`.
        ValueError: If the model has no such weight.

    Example:

    >>> dense = keras.layers.Dense(2, kernel_initializer="zeros", name="dense")
    >>> model = keras.Sequential([keras.Input((8,)), dense])
    >>> print(keras_eff.sparsity(model))
    weight  entries  sparsity  MACs
    dense        16     1.000    16
    total        16     1.000    16
    MACs with a zero: 1.000
    """
    if not isinstance(model, keras.Model):
        raise wrong_type("model", model, "a `keras.Model`")
    uses = weight_uses(model) if is_graph(model) and model.built else None
    masked = masked_ids(model)
    found = tuple(
        WeightSparsity(
            name,
            values.size,
            int(np.sum(values == 0)),
            None if uses is None else values.size * uses.get(id(variable), 0),
            _reason(layer, variable, masked) if masked else None,
        )
        for layer, name, variable, values in _seen_weights(model)
    )
    if not found:
        raise ValueError(
            "The model must be built and have a weight of two axes or more. "
            f"Received: model {getattr(model, 'name', model)!r}"
        )
    return Sparsity(found)


def _seen_weights(model):
    """Yields a layer, a name, a variable and what the layer sees of it."""
    seen = set()
    # A layer comes before those inside it.
    for layer in layers_of(model, keras.layers.Layer):
        weights = [
            (variable, value)
            for variable, value in _values(layer)
            if is_kernel(variable) and id(variable) not in seen
        ]
        seen.update(id(variable) for variable, _ in weights)
        for variable, value in weights:
            several = len(weights) > 1
            name = _name_in(layer, variable) if several else layer.name
            yield layer, name, variable, keras.ops.convert_to_numpy(value)


def _reason(layer, variable, masked):
    if id(variable) in masked:
        return None
    is_able = any(w.variable is variable for w in layer_weights(layer))
    return "no mask" if is_able else why_dense(layer)


def _name_in(layer, variable):
    """The name of a layer, and the way to a variable in it."""
    for weight in layer_weights(layer):
        if weight.variable is variable:
            return f"{layer.name}/{weight.path.replace('.', '/')}"
    return f"{layer.name}/{variable.name}"


def _values(layer):
    """Pairs of a variable and the value that the layer computes with."""
    if isinstance(layer, WeightTransform) or not layer.built:
        return []
    if isinstance(layer, TransformedWeights):
        values = layer.transformed_variables()
        return list(zip(layer.layer.variables, values, strict=True))
    inner = {
        id(variable)
        for part in layers_of(layer, keras.layers.Layer)
        if part is not layer
        for variable in part.variables
    }
    own = [v for v in layer.variables if id(v) not in inner]
    return [(v, v.value) for v in own if "float" in v.dtype]
