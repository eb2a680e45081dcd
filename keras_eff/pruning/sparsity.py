import dataclasses

import keras
import numpy as np

from keras_eff.graph.book import is_kernel
from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightTransform
from keras_eff.layers.sublayers import layers_of
from keras_eff.pruning.prunable_weights import prunable_weights


@dataclasses.dataclass(frozen=True)
class WeightSparsity:
    """How many entries of one weight are zero.

    Attributes:
        name: The layer's name, and the weight's where the layer has several.
        num_weights: Number of entries.
        num_zeros: How many of them the layer computes with as exact zeros.
    """

    name: str
    num_weights: int
    num_zeros: int

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
        return WeightSparsity(
            "total",
            sum(w.num_weights for w in self.weights),
            sum(w.num_zeros for w in self.weights),
        )

    def __str__(self):
        rows = [("weight", "entries", "sparsity")]
        rows += [
            (w.name, f"{w.num_weights:,}", f"{w.sparsity:.3f}")
            for w in (*self.weights, self.total)
        ]
        width = max(len(name) for name, *_ in rows)
        return "\n".join(
            f"{name:<{width}}{size:>12}{share:>10}"
            for name, size, share in rows
        )


def sparsity(model) -> Sparsity:
    """The share of zeros in each weight of a model, and in all of them.

    Counted are the weights of two axes or more, as the layers compute with
    them: masked, and rounded if the model is quantized. Biases and the
    parameters of normalizations are not.

    Args:
        model: Built `keras.Model`.

    Returns:
        A `Sparsity`, which prints as a table.

    Raises:
        ValueError: If the model has no such weight.

    Example:

    >>> dense = keras.layers.Dense(2, kernel_initializer="zeros", name="dense")
    >>> model = keras.Sequential([keras.Input((8,)), dense])
    >>> print(keras_eff.sparsity(model))
    weight     entries  sparsity
    dense           16     1.000
    total           16     1.000
    """
    found = tuple(
        WeightSparsity(name, values.size, int(np.sum(values == 0)))
        for name, values in _seen_weights(model)
    )
    if not found:
        raise ValueError(
            "The model must be built and have a weight of two axes or more. "
            f"Received: model {getattr(model, 'name', model)!r}"
        )
    return Sparsity(found)


def _seen_weights(model):
    """Yields a name and the values, as the layer computes with them."""
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
            yield name, keras.ops.convert_to_numpy(value)


def _name_in(layer, variable):
    """The name of a layer, and the way to a variable in it."""
    for weight in prunable_weights(layer):
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
