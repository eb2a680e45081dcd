"""The shapes that the inputs of a file are to have, where the model's vary."""

import numbers

from keras_eff.transforms.graph import input_names


def fixed_shapes(model, input_shapes, samples=None) -> list[tuple]:
    """The shape of each input of a file, without its batch.

    Args:
        model: Built Sequential or Functional model.
        input_shapes: See `keras_eff.export.to_tflite`.
        samples: List of arrays, one for each input, or None.

    Raises:
        TypeError: If `input_shapes` holds something else than integers.
        ValueError: If it does not fit the model, the samples do not fit it,
            or, with neither, the model leaves dimensions open.
    """
    wanted = [tuple(x.shape[1:]) for x in model.inputs]
    if input_shapes is not None:
        given = _in_order(model, input_shapes)
        names = input_names(model)
        for name, want, shape in zip(names, wanted, given, strict=True):
            _check(name, want, shape)
        if samples is not None:
            _check_samples(names, given, samples)
        return given
    if samples is not None:
        return [tuple(array.shape[1:]) for array in samples]
    for name, shape in zip(input_names(model), wanted, strict=True):
        if None in shape:
            raise ValueError(
                f"The model leaves dimensions of input {name!r} open, which a "
                "file must fix: give `samples`, whose shape it then has, or "
                f"`input_shapes`. Received: shape {_text(shape)} without the "
                "batch"
            )
    return wanted


def _in_order(model, input_shapes):
    """The shapes as a list of tuples in the order of the inputs."""
    names = input_names(model)
    if isinstance(input_shapes, dict):
        if set(input_shapes) != set(names):
            raise ValueError(
                f"Argument `input_shapes` must have the keys {names}. "
                f"Received: input_shapes={input_shapes}"
            )
        shapes = [input_shapes[name] for name in names]
    elif _is_shape(input_shapes):
        shapes = [input_shapes]
    else:
        shapes = input_shapes
    is_list = isinstance(shapes, (list, tuple))
    if not is_list or not all(map(_is_shape, shapes)):
        raise TypeError(
            "Argument `input_shapes` must be a shape, a tuple of integers, or "
            "a list or dict of them for several inputs. "
            f"Received: input_shapes={input_shapes!r}"
        )
    if len(shapes) != len(names):
        raise ValueError(
            f"Argument `input_shapes` must hold one shape for each of {names}. "
            f"Received: input_shapes={input_shapes!r}"
        )
    return [
        tuple(None if size is None else int(size) for size in shape)
        for shape in shapes
    ]


def _is_shape(value):
    return isinstance(value, (list, tuple)) and all(
        size is None
        or (isinstance(size, numbers.Integral) and not isinstance(size, bool))
        for size in value
    )


def _check(name, want, shape):
    fits = len(shape) == len(want) and all(
        size in (fixed, None) if fixed is not None else size is None or size > 0
        for fixed, size in zip(want, shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"Argument `input_shapes` must fit the shape {_text(want)} of "
            f"input {name!r}, without the batch, for which there is "
            f"`batch_size`. Received: {shape}"
        )


def _check_samples(names, shapes, samples):
    for name, shape, array in zip(names, shapes, samples, strict=True):
        pairs = zip(shape, array.shape[1:], strict=True)
        if not all(size in (None, found) for size, found in pairs):
            raise ValueError(
                "Argument `samples` must have the shape that `input_shapes` "
                f"gives to input {name!r}. Received: samples of shape "
                f"{array.shape[1:]} for {shape}"
            )


def _text(shape):
    sizes = ", ".join("any" if size is None else str(size) for size in shape)
    return f"({sizes})"
