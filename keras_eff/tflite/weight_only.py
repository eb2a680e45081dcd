import copy
import functools
import itertools
from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_eff.tflite.file_weights import is_weight
from keras_eff.tflite.flatbuffer import operator_name
from keras_eff.tflite.grid import KernelIntegers
from keras_eff.tflite.grid import rows_of
from keras_eff.tflite.grid import signs_of
from keras_eff.tflite.int4 import packed
from keras_eff.tflite.operator_versions import operator_code
from keras_eff.tflite.operator_versions import raise_version
from keras_eff.tflite.operator_versions import require_runtime
from keras_eff.tflite.strip_metadata import drop_unused_tensors
from keras_eff.tflite.strip_metadata import merge_buffers

# Where an operator reads its weight, and the axis with a scale for each.
WEIGHT_PLACES = {
    "BATCH_MATMUL": (1, -1),
    "CONV_2D": (1, 0),
    "CONV_3D": (1, -1),
    "CONV_3D_TRANSPOSE": (1, -2),
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


def store_weights(
    model: schema.ModelT,
    num_bits: int,
    smallest: int,
    rounds: bool = False,
    grids: Sequence[KernelIntegers] = (),
) -> None:
    """Stores weights as integers; the file goes on to compute in float.

    A weight that holds `k * d`, with integers `k` and one `d` per channel or
    for all, becomes the integers and a DEQUANTIZE between them and what reads
    them, which a runtime runs once, in the body of a loop too. The default
    delegate does that itself for INT8, and is as fast as with floats; it has
    none for INT4 and leaves what reads one to the builtin kernels. (Those that
    read integers beside floats round the activations too.)

    Of an embedding, the rows are picked first, so that its table takes no more
    memory than in the file.

    `model`: the model of a float file, which keeps its constants in its tables.
    `num_bits`: 8 or 4, width of the integers, in bits. `rounds`: boolean,
    whether the float weights of convolutions, matrix products and tables are
    rounded to such integers. By default, what holds none stays float. `grids`:
    those of kernels whose steps tell them: see
    `keras_eff.tflite.grid.known_grids`.
    """
    stored = False
    how = (_inputs, functools.partial(_exact, grids=grids))
    if rounds:
        how = (_weights_to_round, _nearest)
    for graph in model.subgraphs:
        before = len(graph.tensors)
        graph.operators = _rewritten(model, graph, num_bits, smallest, *how)
        stored = stored or len(graph.tensors) > before
    if stored:
        require_runtime(model, _RUNTIMES[num_bits])
    drop_unused_tensors(model)
    merge_buffers(model)


def _rewritten(model, graph, num_bits, smallest, find, grid_of):
    """The operators of a graph, reading weights that are stored as integers."""

    @functools.cache
    def stored(weight, axis):
        grid = grid_of(_values(model, graph.tensors[weight]), axis, num_bits)
        return grid and _stored(model, graph, weight, num_bits, *grid)

    operators, floats = [], {}
    for operator in graph.operators:
        row_reader = None
        for place, axis in find(model, operator):
            weight = int(operator.inputs[place])
            if not _suits(model, graph.tensors[weight], smallest):
                continue
            index = stored(weight, axis)
            if index is None:
                continue
            if _picks_rows(model, graph, operator, place, index):
                row_reader = index
                continue
            if index not in floats:
                floats[index] = _copy(graph, weight)
                step = _dequantize(model, graph, index, floats[index])
                operators.append(step)
            _read(operator, place, floats[index])
        if row_reader is None:
            operators.append(operator)
        else:
            operators += _picked(model, graph, operator, row_reader)
    return operators


def _weights_to_round(model, operator):
    """Where an operator has its weight, and the axis with a scale for each."""
    kind = operator_name(model, operator)
    if kind not in WEIGHT_PLACES:
        return []
    place, axis = WEIGHT_PLACES[kind]
    if kind == "BATCH_MATMUL" and operator.builtinOptions.adjY:
        axis = -2
    return [(place, axis)]


def _inputs(model, operator):
    """The places of all inputs: what is no weight is on no grid."""
    if operator_name(model, operator) == "WHILE":
        return []
    return [(i, None) for i, x in enumerate(operator.inputs) if x >= 0]


def _suits(model, tensor, smallest):
    is_float = tensor.type == schema.TensorType.FLOAT32
    is_plain = is_float and tensor.sparsity is None
    if not is_plain or not is_weight(model, tensor):
        return False
    return np.prod(tensor.shape) >= smallest


def _values(model, tensor):
    values = model.buffers[tensor.buffer].data.view(np.float32)
    return values.reshape(tensor.shape)


def _nearest(values, axis, num_bits):
    """The integers, scales and axis of the grid nearest to a weight."""
    return _on_grid(values, scale_axis(values.shape, axis), num_bits)[:3]


def _exact(values, _, num_bits, grids):
    """Those of the grid that a weight is on, or None off all grids."""
    for axis in (None, *range(values.ndim)):
        *grid, errors = _on_grid(values, axis, num_bits)
        if np.all(errors <= _TOLERANCE):
            return grid
    return _told(values, num_bits, grids)


def _told(values, num_bits, grids):
    """Those that a step tells, up to the sign and the scale of each channel."""
    for grid, axis in itertools.product(grids, (0, values.ndim - 1)):
        rows = rows_of(values, (axis,))
        if grid.num_bits > num_bits or grid.rows.shape != rows.shape:
            continue
        peaks = np.abs(grid.rows).max(axis=1, keepdims=True)
        scales = np.abs(rows).max(axis=1, keepdims=True) / peaks.clip(min=1)
        scales = np.where(scales > 0, scales, np.float32(1))
        signs = signs_of(rows / scales, grid.rows, 127 * _TOLERANCE)
        if signs is not None:
            moved = np.moveaxis(values, axis, 0)
            integers = (signs * grid.rows).astype(np.int8).reshape(moved.shape)
            return np.moveaxis(integers, 0, axis), scales.reshape(-1), axis
    return None


def scale_axis(shape, axis):
    """The axis with a scale for each; None if they outweigh what is saved."""
    if axis is None or np.prod(shape) < 8 * shape[axis]:
        return None
    return axis % len(shape)


def _on_grid(values, axis, num_bits):
    """Integers, scales, the axis, and the errors as shares of the peaks."""
    others = tuple(i for i in range(values.ndim) if i != axis)
    peaks = np.abs(values).max(axis=others, keepdims=True)
    peaks = np.where(peaks > 0, peaks, 1)
    scales = peaks / np.float32(2 ** (num_bits - 1) - 1)
    integers = np.rint(values / scales)
    errors = np.abs(values - integers * scales) / peaks
    return integers.astype(np.int8), scales.reshape(-1), axis, errors


def _stored(model, graph, weight, num_bits, integers, scales, axis):
    """Adds the weight as integers; its number."""
    flat = integers.reshape(-1)
    content = packed(flat) if num_bits == 4 else flat.view(np.uint8)
    model.buffers.append(schema.BufferT(content))
    index = _copy(graph, weight)
    stored = graph.tensors[index]
    stored.type = _TYPES[num_bits]
    stored.buffer = len(model.buffers) - 1
    stored.quantization = _quantization(scales, axis or 0)
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


def _picks_rows(model, graph, operator, place, index):
    """Whether to pick from the integers: not where a row ends in mid-byte."""
    if operator_name(model, operator) != "GATHER" or place != 0:
        return False
    options, table = operator.builtinOptions, graph.tensors[index]
    is_whole = table.type == schema.TensorType.INT8 or table.shape[-1] % 2 == 0
    has_one_scale = len(table.quantization.scale) == 1
    picks_first = options.axis == options.batchDims == 0
    return is_whole and has_one_scale and picks_first


def _picked(model, graph, operator, index):
    """The operators that pick rows of integers and make floats of them."""
    output = int(operator.outputs[0])
    rows = _copy(graph, output)
    table = graph.tensors[index]
    graph.tensors[rows].type = table.type
    graph.tensors[rows].quantization = table.quantization
    raise_version(model, operator, _GATHER_VERSIONS[table.type])
    operator.outputs = np.array([rows], np.int32)
    _read(operator, 0, index)
    return [operator, _dequantize(model, graph, rows, output)]


def _read(operator, place, index):
    """Has the operator read another tensor."""
    operator.inputs = np.array(operator.inputs)
    operator.inputs[place] = index


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
