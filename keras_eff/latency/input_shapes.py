"""The shapes that the inputs of a file are measured with."""

import os

from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.flatbuffer import read
from keras_eff.tflite.flatbuffer import readable
from keras_eff.tflite.shape_argument import fitted_shapes
from keras_eff.tflite.shape_argument import shape_text


def resolve_shapes(
    path: str | os.PathLike, input_shapes
) -> tuple[list[str], list[tuple[int, ...]]]:
    """The names of the inputs of a file, and their shapes, in its order."""
    names, shapes = _inputs(path)
    if input_shapes is None:
        return names, [
            tuple(1 if size is None else size for size in shape)
            for shape in shapes
        ]
    given = fitted_shapes(input_shapes, names, shapes)
    if any(None in shape for shape in given):
        raise ValueError(
            "Argument `input_shapes` must give each size to measure with. "
            f"Received: input_shapes={input_shapes}"
        )
    return names, given


def check_only_batch_open(path: str | os.PathLike) -> None:
    """Raises if a file leaves more open than the batch, which is then 1.

    The tools would measure it with 1 there. What is wrong with a file that
    cannot be read, they tell themselves.
    """
    try:
        names, shapes = _inputs(path)
    except ValueError:
        return
    for name, shape in zip(names, shapes, strict=True):
        if None in shape[1:]:
            raise ValueError(
                f"The file leaves dimensions of its input {name!r} open: give "
                "`input_shapes`, or write it with fixed ones. Received: shape "
                f"{shape_text(shape)}"
            )


def _inputs(path):
    """Names and shapes, None where a dimension is open."""
    graph = parse(read(path)).subgraphs[0]
    names, shapes = [], []
    for number, index in enumerate(graph.inputs):
        tensor = graph.tensors[index]
        names.append(readable(tensor.name) or str(number))
        is_open = tensor.shapeSignature is not None
        shape = tensor.shapeSignature if is_open else tensor.shape
        sizes = () if shape is None else map(int, shape)
        shapes.append(tuple(None if size == -1 else size for size in sizes))
    return names, shapes
