import dataclasses

from keras_eff.graph.register_layer import how_to_register
from keras_eff.graph.walk import check_graph
from keras_eff.quantization.quantize import place


@dataclasses.dataclass(frozen=True)
class Coverage:
    """Which operations of a model an int8 file computes with integers.

    Attributes:
        integer: Names of the operations that become integer ones.
        floats: Dict from the names of those that stay float to the reason:
            a class that has no int8 kernel, or "skipped".
        unknown: Classes of layers of which nothing is known, see
            `keras_eff.register_layer`.
    """

    integer: tuple[str, ...]
    floats: dict[str, str]
    unknown: tuple[str, ...] = ()

    def __str__(self):
        total = len(self.integer) + len(self.floats)
        lines = [f"{len(self.integer)} of {total} operations in integers"]
        lines += [f"  float: {n} ({why})" for n, why in self.floats.items()]
        return "\n".join(lines) + how_to_register(self.unknown)


def coverage(model, skip=()) -> Coverage:
    """Which operations `keras_eff.quantize` makes integer, and which not.

    Args:
        model: Built `keras.Sequential` or Functional model; a quantized one
            too.
        skip: As in `keras_eff.quantize`.

    Returns:
        A `Coverage`, which prints as a summary.

    Example:

    >>> layer = keras.layers.ELU(name="elu")
    >>> model = keras.Sequential([keras.Input((8,)), layer])
    >>> print(keras_eff.coverage(model))
    0 of 1 operations in integers
      float: elu (ELU)
    """
    check_graph(model, "keras_eff.coverage")
    _, placement, _ = place(model, skip)
    integer = tuple(dict.fromkeys(placement.integer))
    unknown = tuple(dict.fromkeys(placement.unknown))
    return Coverage(integer, dict(placement.floats), unknown)
