import copy
import functools

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_eff.export.flatbuffer import is_constant
from keras_eff.export.flatbuffer import operator_name
from keras_eff.export.flatbuffer import parse
from keras_eff.export.int4 import packed
from keras_eff.export.operator_versions import operator_code
from keras_eff.export.operator_versions import raise_version
from keras_eff.export.operator_versions import require_runtime
from keras_eff.export.packing import pack
from keras_eff.export.strip import drop_unused_tensors
from keras_eff.export.strip import merge_buffers

# Where an operator reads its weight, and the axis with a scale for each.
_WEIGHTS = {
    "CONV_2D": (1, 0),
    "DEPTHWISE_CONV_2D": (1, 3),
    "FULLY_CONNECTED": (1, 0),
    "GATHER": (0, None),
    "TRANSPOSE_CONV": (1, 0),
}
_TYPES = {8: schema.TensorType.INT8, 4: schema.TensorType.INT4}
_GATHER_VERSIONS = {schema.TensorType.INT8: 2, schema.TensorType.INT4: 7}
_RUNTIMES = {8: "2.7.0", 4: "2.18.0"}
# As a share of the largest weight: errors of float32, far below 8 bits.
_TOLERANCE = 1e-5


def store_weights(data: bytes, num_bits: int, smallest: int) -> bytes:
    """Stores rounded weights as integers; the file goes on to compute in float.

    A weight of a convolution or a dense layer that holds `k * d`, with
    integers `k` and one `d` per channel, becomes the integers and a DEQUANTIZE
    between them and what reads them, which a runtime runs once. The default
    delegate does that itself for INT8, and is as fast as with floats; it has
    none for INT4 and leaves what reads one to the builtin kernels. (Those that
    read integers beside floats round the activations too.)

    Of an embedding, the rows are picked first, so that its table takes no more
    memory than in the file.

    Args:
        data: Content of a float .tflite file.
        num_bits: 8 or 4, width of the integers, in bits.
        smallest: Integer, the number of elements below which a weight stays.

    Raises:
        ValueError: If `data` is not a complete .tflite file that keeps its
            constants in its tables.
    """
    model = parse(data)
    for graph in model.subgraphs:
        graph.operators = _rewritten(model, graph, num_bits, smallest)
    require_runtime(model, _RUNTIMES[num_bits])
    drop_unused_tensors(model)
    merge_buffers(model)
    return pack(model)


def _rewritten(model, graph, num_bits, smallest):
    """The operators of a graph, reading weights that are stored as integers."""

    @functools.cache
    def stored(weight, axis):
        return _stored(model, graph, weight, axis, num_bits)

    operators, floats = [], {}
    for operator in graph.operators:
        kind = operator_name(model, operator)
        place, axis = _WEIGHTS.get(kind, (None, None))
        weight = _weight(model, graph, operator, place, smallest)
        index = None if weight is None else stored(weight, axis)
        if index is None:
            operators.append(operator)
        elif _picks_rows(model, graph, operator, index):
            operators += _picked(model, graph, operator, index)
        else:
            if index not in floats:
                floats[index] = _copy(graph, weight)
                step = _dequantize(model, graph, index, floats[index])
                operators.append(step)
            operators.append(_reading(operator, place, floats[index]))
    return operators


def _weight(model, graph, operator, place, smallest):
    """The number of the float constant that an operator reads, or None."""
    if place is None:
        return None
    index = int(operator.inputs[place])
    tensor = graph.tensors[index]
    is_float = tensor.type == schema.TensorType.FLOAT32
    is_large = np.prod(tensor.shape) >= smallest
    suits = is_float and is_large and is_constant(model, tensor)
    return index if suits else None


def _stored(model, graph, weight, axis, num_bits):
    """Adds the weight as integers; its number, or None off their grid."""
    tensor = graph.tensors[weight]
    values = model.buffers[tensor.buffer].data.view(np.float32)
    values = values.reshape(tensor.shape)
    others = tuple(i for i in range(values.ndim) if i != axis)
    peaks = np.abs(values).max(axis=others, keepdims=True)
    scales = np.where(peaks > 0, peaks, 1) / np.float32(2 ** (num_bits - 1) - 1)
    integers = np.rint(values / scales)
    if np.any(np.abs(values - integers * scales) > _TOLERANCE * peaks):
        return None
    integers = integers.astype(np.int8).reshape(-1)
    content = packed(integers) if num_bits == 4 else integers.view(np.uint8)
    model.buffers.append(schema.BufferT(content))
    index = _copy(graph, weight)
    stored = graph.tensors[index]
    stored.type = _TYPES[num_bits]
    stored.buffer = len(model.buffers) - 1
    stored.quantization = _quantization(scales.reshape(-1), axis or 0)
    return index


def _quantization(scales, axis):
    quantization = schema.QuantizationParametersT()
    quantization.scale = scales.astype(np.float32)
    quantization.zeroPoint = np.zeros(len(scales), np.int64)
    quantization.quantizedDimension = axis
    return quantization


def _copy(graph, index):
    """Adds a tensor like another, without its values; its number."""
    tensor = copy.copy(graph.tensors[index])
    tensor.buffer = 0
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _picks_rows(model, graph, operator, index):
    """Whether to pick from the integers: not where a row ends in mid-byte."""
    if operator_name(model, operator) != "GATHER":
        return False
    options, table = operator.builtinOptions, graph.tensors[index]
    is_whole = table.type == schema.TensorType.INT8 or table.shape[-1] % 2 == 0
    return is_whole and options.axis == options.batchDims == 0


def _picked(model, graph, operator, index):
    """The operators that pick rows of integers and make floats of them."""
    output = int(operator.outputs[0])
    rows = _copy(graph, output)
    table = graph.tensors[index]
    graph.tensors[rows].type = table.type
    graph.tensors[rows].quantization = table.quantization
    raise_version(model, operator, _GATHER_VERSIONS[table.type])
    operator.outputs = np.array([rows], np.int32)
    return [
        _reading(operator, 0, index),
        _dequantize(model, graph, rows, output),
    ]


def _reading(operator, place, index):
    """The operator, reading another tensor."""
    operator.inputs = np.array(operator.inputs)
    operator.inputs[place] = index
    return operator


def _dequantize(model, graph, index, output):
    tensor = graph.tensors[index]
    is_per_channel = len(tensor.quantization.scale) > 1
    version = 5 if is_per_channel else 2
    if tensor.type == schema.TensorType.INT4:
        version = 6
    number = schema.BuiltinOperator.DEQUANTIZE
    operator = schema.OperatorT()
    operator.opcodeIndex = operator_code(model, number, version)
    operator.inputs = np.array([index], np.int32)
    operator.outputs = np.array([output], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    return operator
