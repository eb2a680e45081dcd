"""Which layers of a model two take the place of, before they do."""

import dataclasses
import math

import keras
import numpy as np

from keras_eff.factorization.low_rank import factors
from keras_eff.graph.book import entry_of
from keras_eff.graph.cloning import clone
from keras_eff.graph.register_layer import how_to_register
from keras_eff.graph.rewriter import Rewriter
from keras_eff.table import format_table

# What a 1x1 convolution does not have of the one whose outputs it makes.
_POINTWISE = {
    "kernel_size": 1,
    "strides": 1,
    "padding": "valid",
    "dilation_rate": 1,
}


_COLUMNS = {
    "layer": "",
    "full rank": "d",
    "rank": "d",
    "energy": ".4f",
    "weights": ",",
    "left": ",",
    "stays because": "",
}


@dataclasses.dataclass(frozen=True)
class LayerFactors:
    """A layer that becomes two, or stays whole.

    Attributes:
        layer: The layer, of the model that was planned for.
        shape: Pair of integers, its kernel as a matrix: inputs, for a
            convolution those of a window, by outputs.
        rank: Integer, the outputs of the first of the two; None if the layer
            stays whole.
        energy: Float in (0, 1], the share of the squared singular values that
            is kept.
        reason: String, why the layer stays whole; None if it does not.
    """

    layer: keras.layers.Layer
    shape: tuple[int, int]
    rank: int | None
    energy: float
    reason: str | None

    @property
    def num_weights(self) -> int:
        """Entries of the kernel."""
        return math.prod(self.shape)

    @property
    def num_left(self) -> int:
        """Entries of the kernels that take its place."""
        if self.rank is None:
            return self.num_weights
        return self.rank * sum(self.shape)


@dataclasses.dataclass(frozen=True)
class FactorPlan:
    """The layers of a model that `keras_eff.factorize` makes two of.

    Made by `keras_eff.plan_factors`. Printed, it is a table of the dense
    layers and convolutions: the full rank, the rank and the energy that are
    kept, the entries of the kernel and of what takes its place, and why some
    layers stay whole.

    Attributes:
        model: The model that was planned for.
        layers: Tuple of `LayerFactors`, in the order of the model.
        unknown: Tuple of the classes of layers with kernels of which nothing
            is known, see `keras_eff.register_layer`.
    """

    model: keras.Model
    layers: tuple[LayerFactors, ...]
    unknown: tuple[str, ...] = ()

    def factorize(self) -> keras.Model:
        """Returns the smaller model, not compiled, of the weights of now."""
        pairs = {
            row.layer: factors(matrix_of(row.layer), row.rank)
            for row in self.layers
            if row.rank is not None
        }

        def split(call, rewriter):
            pair = pairs.get(call.operation)
            if pair is None:
                return rewriter.copy(call)
            return _split(call, rewriter, *pair)

        return Rewriter({"weighted": split}).rewrite(self.model)

    @property
    def num_parameters(self) -> int:
        """Weights of the smaller model."""
        saved = sum(row.num_weights - row.num_left for row in self.layers)
        return self.model.count_params() - saved

    def __str__(self):
        rows = (
            (
                row.layer.name,
                min(row.shape),
                row.rank,
                row.energy,
                row.num_weights,
                row.num_left,
                row.reason,
            )
            for row in self.layers
        )
        total = self.model.count_params()
        return (
            f"{format_table(_COLUMNS, rows)}\n"
            f"parameters {self.num_parameters:,} of {total:,}"
            f"{how_to_register(self.unknown)}"
        )


def matrix_of(layer: keras.layers.Layer) -> np.ndarray:
    """The kernel as a matrix: inputs, those of a window, by outputs."""
    kernel = keras.ops.convert_to_numpy(layer.kernel)
    return kernel.reshape(-1, kernel.shape[-1])


def _split(call, rewriter, left, right):
    """Calls the two layers, for any call of the one that they stand for."""
    layer = call.operation
    rank = left.shape[-1]
    first = left.reshape(*layer.kernel.shape[:-1], rank)
    windows = (1,) * (len(layer.kernel.shape) - 2)
    last = right.reshape(*windows, *right.shape)
    thin = rewriter.apply(
        (id(layer), "factor"),
        lambda: _first(layer, rank, rewriter.unique(f"{layer.name}_factor")),
        [first],
        *call.args,
        **call.kwargs,
    )
    return rewriter.apply(
        id(layer),
        lambda: clone(layer, **(_POINTWISE if windows else {})),
        [last if v is layer.kernel else v for v in layer.variables],
        thin,
    )


def _first(layer, rank, name):
    return clone(
        layer,
        **{entry_of(layer).size: rank},
        use_bias=False,
        activation="linear",
        activity_regularizer=None,
        name=name,
    )
