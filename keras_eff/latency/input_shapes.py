"""The shapes that the inputs of a file are measured with."""

import os

from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.flatbuffer import read
from keras_eff.tflite.shape_argument import read_shapes

Shape = tuple[int, ...]


def resolve_shapes(path: str | os.PathLike, input_shapes) -> dict[str, Shape]:
    """The shape of each input of a file by its name, in the file's order.

    Args:
        path: Path of a `.tflite` file.
        input_shapes: See `keras_eff.latency.measure`; None for 1 wherever the
            file leaves a size open.

    Raises:
        TypeError: If `input_shapes` holds something else than integers.
        ValueError: If it does not fit the inputs of the file.
    """
    inputs = _inputs(path)
    if input_shapes is None:
        return {
            name: tuple(1 if size == -1 else size for size in shape)
            for name, shape in inputs.items()
        }
    given = read_shapes(input_shapes, list(inputs))
    return {
        name: _fitted(name, shape, wanted)
        for (name, shape), wanted in zip(inputs.items(), given, strict=True)
    }


def check_only_batch_open(path: str | os.PathLike) -> None:
    """Raises if a file leaves more open than the batch, which is then 1.

    The tools would measure it with 1 there. What is wrong with a file that
    cannot be read, they tell themselves.

    Raises:
        ValueError: If another dimension is open.
    """
    try:
        inputs = _inputs(path)
    except ValueError:
        return
    for name, shape in inputs.items():
        if -1 in shape[1:]:
            raise ValueError(
                f"The file leaves dimensions of its input {name!r} open: give "
                "`input_shapes`, or write it with fixed ones. Received: shape "
                f"{shape}"
            )


def _inputs(path):
    graph = parse(read(path)).subgraphs[0]
    tensors = [graph.tensors[index] for index in graph.inputs]
    inputs = {}
    for number, tensor in enumerate(tensors):
        name = (tensor.name or b"").decode(errors="replace") or str(number)
        is_open = tensor.shapeSignature is not None
        shape = tensor.shapeSignature if is_open else tensor.shape
        inputs[name] = () if shape is None else tuple(map(int, shape))
    return inputs


def _fitted(name, shape, given):
    """The shape that was given, with the file's batch where it has none."""
    if len(given) == len(shape) - 1:
        given = (1 if shape[0] == -1 else shape[0], *given)
    fits = len(given) == len(shape) and all(
        size is not None and size > 0 and fixed in (-1, size)
        for fixed, size in zip(shape, given, strict=True)
    )
    if not fits:
        raise ValueError(
            f"Argument `input_shapes` must fit the shape {shape} of input "
            f"{name!r} of the file, in which -1 is open, with or without the "
            f"batch. Received: {given}"
        )
    return given
