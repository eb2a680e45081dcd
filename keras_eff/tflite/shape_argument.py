"""Reading the argument `input_shapes`."""

import numbers
from collections.abc import Sequence


def fitted_shapes(
    input_shapes, names: list[str], wanted: list[tuple]
) -> list[tuple]:
    """The shapes that a user gave, one for each input, with the batch.

    `input_shapes`: A shape for the only input; or a list or tuple of shapes in
    the order of the inputs, or a dict with their names. With or without the
    batch, which is 1 where it is open and not given. `names`: the names of the
    inputs, in their order. `wanted`: their shapes with the batch, None where
    they are open.
    """
    given = _read(input_shapes, names)
    return list(map(_fitted, names, wanted, given))


def shape_text(shape: Sequence) -> str:
    """A shape for an error, "any" where it is open."""
    sizes = ", ".join("any" if size is None else str(size) for size in shape)
    return f"({sizes})"


def _fitted(name, wanted, given):
    shape = given
    if len(given) == len(wanted) - 1:
        shape = (wanted[0] or 1, *given)
    fits = len(shape) == len(wanted) and all(
        size is None or (size > 0 and fixed in (None, size))
        for fixed, size in zip(wanted, shape, strict=True)
    )
    if not fits or shape[:1] == (None,):
        raise ValueError(
            f"Argument `input_shapes` must fit the shape {shape_text(wanted)} "
            f"of input {name!r}, with or without the batch, which comes first. "
            f"Received: {given}"
        )
    return shape


def _read(input_shapes, names):
    shapes = input_shapes
    if isinstance(shapes, dict):
        if set(shapes) != set(names):
            raise ValueError(
                f"Argument `input_shapes` must have the keys {names}. "
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
            f"{names}. Received: input_shapes={input_shapes!r}"
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
