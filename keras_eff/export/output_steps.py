import os

from keras_eff.tflite.flatbuffer import operator_name
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.flatbuffer import read


def output_steps(path: str | os.PathLike) -> list[float | None]:
    """What one step of the integers of each output of a file is worth.

    Those of the tensor itself, or of the one that it is dequantized from;
    None for an output that was computed in floats.
    """
    model = parse(read(path))
    graph = model.subgraphs[0]
    sources = {
        operator.outputs[0]: operator.inputs[0]
        for operator in graph.operators
        if operator_name(model, operator) == "DEQUANTIZE"
    }
    return [_step(graph.tensors[sources.get(i, i)]) for i in graph.outputs]


def _step(tensor):
    scales = getattr(tensor.quantization, "scale", None)
    return float(scales[0]) if scales is not None and len(scales) else None
