"""The shapes that the inputs of a file are measured with."""

import os

from keras_eff.export.flatbuffer import parse
from keras_eff.export.flatbuffer import read
from keras_eff.export.shape_argument import read_shapes

Shape = tuple[int, ...]


def resolve_shapes(path: str | os.PathLike, input_shapes) -> dict[str, Shape]:
    """The shape of each input of a file by its name, in the file's order.

    Args:
        path: Path of a `.tflite` file.
        input_shapes: See `keras_eff.latency.measure`.

    Raises:
        TypeError: If `input_shapes` holds something else than integers.
        ValueError: If it does not fit the inputs of the file, or it is None
            and the file leaves more than the batch open.
    """
    inputs = _inputs(path)
    if input_shapes is None:
        return {name: _with_batch_1(name, s) for name, s in inputs.items()}
    given = read_shapes(input_shapes, list(inputs))
    return {
        name: _fitted(name, shape, wanted)
        for (name, shape), wanted in zip(inputs.items(), given, strict=True)
    }


def _with_batch_1(name, shape):
    """The shape with 1 for an open batch; the time depends on all others."""
    if -1 in shape[1:]:
        raise ValueError(
            f"The file leaves dimensions of its input {name!r} open: give "
            "`input_shapes`, or write it with fixed ones. Received: shape "
            f"{shape}"
        )
    return tuple(1 if size == -1 else size for size in shape)


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
