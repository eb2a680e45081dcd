"""Reading the argument `input_shapes`."""

import numbers
from collections.abc import Sequence


def read_shapes(input_shapes, names: Sequence) -> list[tuple]:
    """The shapes that a user gave, one for each input, in order.

    Args:
        input_shapes: A shape for the only input; or a list or tuple of shapes
            in the order of the inputs, or a dict with their names.
        names: The names of the inputs, in their order.

    Raises:
        TypeError: If it is none of these.
        ValueError: If there is not one shape for each input.
    """
    shapes = input_shapes
    if isinstance(shapes, dict):
        if set(shapes) != set(names):
            raise ValueError(
                f"Argument `input_shapes` must have the keys {list(names)}. "
                f"Received: input_shapes={input_shapes}"
            )
        shapes = [shapes[name] for name in names]
    elif _is_shape(shapes):
        shapes = [shapes]
    if not isinstance(shapes, list | tuple) or not all(map(_is_shape, shapes)):
        raise TypeError(
            "Argument `input_shapes` must be a shape, a tuple of integers, or "
            "a list or dict of them for several inputs. "
            f"Received: input_shapes={input_shapes!r}"
        )
    if len(shapes) != len(names):
        raise ValueError(
            "Argument `input_shapes` must hold one shape for each of "
            f"{list(names)}. Received: input_shapes={input_shapes!r}"
        )
    return [
        tuple(None if size is None else int(size) for size in shape)
        for shape in shapes
    ]


def _is_shape(value):
    return isinstance(value, list | tuple) and all(
        size is None
        or (isinstance(size, numbers.Integral) and not isinstance(size, bool))
        for size in value
    )
