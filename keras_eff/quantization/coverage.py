import dataclasses
import math

import keras

from keras_eff.graph import macs
from keras_eff.graph import walk
from keras_eff.graph.register_layer import how_to_register
from keras_eff.graph.selection import operations
from keras_eff.quantization.quantize import place
from keras_eff.table import format_table


@dataclasses.dataclass(frozen=True)
class Coverage:
    """Which operations of a model an int8 file computes with integers.

    Attributes:
        integer: Names of the operations that become integer ones.
        floats: Dict from the names of those that stay float to the reason:
            a class that has no int8 kernel, or "skipped".
        unknown: Classes of layers of which nothing is known, see
            `keras_eff.register_layer`.
        num_weights: Dict from the names of layers, integer or float, to how
            many weights are in their kernels and embeddings.
        num_macs: Dict from the same names to how many multiply-accumulates
            with these weights a sample takes.
    """

    integer: tuple[str, ...]
    floats: dict[str, str]
    unknown: tuple[str, ...] = ()
    num_weights: dict[str, int] = dataclasses.field(default_factory=dict)
    num_macs: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def weights_share(self) -> float:
        """Share of the weights that are integers, in [0, 1]."""
        return 1.0 - self._share(self.num_weights, self.floats)

    @property
    def macs_share(self) -> float:
        """Share of the multiply-accumulates of integers, in [0, 1]."""
        return 1.0 - self._share(self.num_macs, self.floats)

    def _share(self, counts, names):
        part = sum(counts.get(name, 0) for name in names)
        return part / max(sum(counts.values()), 1)

    def __str__(self):
        total = len(self.integer) + len(self.floats)
        head = f"{len(self.integer)} of {total} operations in integers"
        if self.num_weights:
            head += (
                f", {self.weights_share:.3f} of the weights, "
                f"{self.macs_share:.3f} of the MACs"
            )
        lines = [head]
        if self.floats:
            columns = ("weights", "MACs")
            titles = {"stays float": "", **dict.fromkeys(columns, ".3f")}
            counts = (self.num_weights, self.num_macs)
            rows = [
                (name, *(self._share(count, [name]) for count in counts), why)
                for name, why in self.floats.items()
            ]
            lines.append(format_table({**titles, "because": ""}, rows))
        return "\n".join(lines) + how_to_register(self.unknown)


def coverage(model, skip=()) -> Coverage:
    """Which operations `keras_eff.quantize` makes integer, and which not.

    Args:
        model: Built `keras.Sequential` or Functional model. Of a quantized
            one it tells what was done.
        skip: As in `keras_eff.quantize`.

    Returns:
        A `keras_eff.Coverage`, which prints as a table of what stays float.

    Example:

    >>> dense, elu = keras.layers.Dense(4), keras.layers.ELU(name="elu")
    >>> model = keras.Sequential([keras.Input((8,)), dense, elu])
    >>> print(keras_eff.coverage(model))
    1 of 2 operations in integers, 1.000 of the weights, 1.000 of the MACs
    stays float  weights   MACs  because
    elu            0.000  0.000  ELU
    """
    walk.check_graph(model, "keras_eff.coverage")
    quantized, placement, _ = place(model, skip)
    layers = {
        x.name: macs.kernels_in(x)
        for x, _ in operations(quantized)
        if isinstance(x, keras.layers.Layer) and not walk.is_graph(x)
    }
    uses = macs.weight_uses(quantized)
    sizes = {
        name: [(math.prod(v.shape), uses[id(v)]) for v in kernels]
        for name, kernels in layers.items()
        if kernels
    }
    return Coverage(
        tuple(dict.fromkeys(placement.integer)),
        dict(placement.floats),
        tuple(dict.fromkeys(placement.unknown)),
        {name: sum(n for n, _ in pairs) for name, pairs in sizes.items()},
        {name: sum(n * k for n, k in pairs) for name, pairs in sizes.items()},
    )
