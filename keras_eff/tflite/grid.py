import copy

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_eff.arguments import read_integer
from keras_eff.tflite.flatbuffer import is_constant
from keras_eff.tflite.flatbuffer import operator_name
from keras_eff.tflite.int4 import pack_weight
from keras_eff.tflite.int4 import takes_int4
from keras_eff.tflite.sparse_weights import dense_values
from keras_eff.tflite.strip_metadata import drop_unused_tensors
from keras_eff.tflite.strip_metadata import merge_buffers

_WEIGHT = 1
_BIAS = {
    "CONV_2D": 2,
    "DEPTHWISE_CONV_2D": 2,
    "FULLY_CONNECTED": 2,
    "TRANSPOSE_CONV": 3,
}
_INT8_LIMIT = 127
_BIAS_DTYPES = {
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
}


def restore_grid(
    model: schema.ModelT, num_bits: int, stored_bits: int = 8
) -> None:
    """Gives weights of few bits the values that they were trained with.

    A kernel trained with `num_bits` holds `k * d` per channel, with integers
    `|k| <= m = 2**(num_bits - 1) - 1`. The converter stores
    `q = round(k * 127 / m)` with the scale `d * m / 127`: not quite that
    kernel. This stores `k * r` with the scale `d / r` for `r = 127 // m`, and
    rescales the biases to match, in the int8 weights of convolutions and dense
    layers. (With `k` itself, the biases would be `r` times coarser: measured,
    the kernels of different delegates then differ by 3 to 5 LSB, not 1.)

    With `stored_bits=4` the weights become INT4, with `r = 7 // m`, where all
    that reads them has a kernel for that; else they stay as they are.

    A weight is changed if all of its channels lie on the grid of `num_bits`
    and reach its end. Call it once for each width that a model mixes. The
    table of an embedding takes the scale of its output, not one of its own,
    and stays.

    Args:
        model: The model of the file, which keeps its constants in its tables.
        num_bits: Integer in [2, 7], width of the trained weights, in bits; at
            most `stored_bits`.
        stored_bits: 8 or 4, width of the integers in the file, in bits.

    Raises:
        ValueError: If `num_bits` is out of range.
    """
    num_bits = read_integer("num_bits", num_bits, 2, min(7, stored_bits))
    limit = 2 ** (num_bits - 1) - 1
    step = (2 ** (stored_bits - 1) - 1) // limit
    factor = _INT8_LIMIT / (limit * step)
    is_stored = takes_int4 if stored_bits == 4 else lambda *_: True
    for graph in model.subgraphs:
        unpacked = _unpacked(model, graph)
        for output, source in unpacked.items():
            # One object, so that the scales of both change together.
            scales = graph.tensors[source].quantization
            graph.tensors[output].quantization = scales
        for weight, readers in _weight_readers(model, graph, unpacked).items():
            tensor = graph.tensors[weight]
            operators = [operator for operator, _ in readers]
            values = _grid_values(model, tensor, limit)
            if values is None or not is_stored(model, tensor, operators):
                continue
            _store(model, tensor, values * step, factor)
            _rescale_biases(model, graph, readers, factor)
            if stored_bits == 4:
                pack_weight(model, tensor, operators)
    drop_unused_tensors(model)
    merge_buffers(model)


def _unpacked(model, graph):
    """Returns {what a DENSIFY makes: the sparse weight that it reads}."""
    return {
        int(operator.outputs[0]): int(operator.inputs[0])
        for operator in graph.operators
        if operator_name(model, operator) == "DENSIFY"
    }


def _weight_readers(model, graph, unpacked):
    """Returns {weight: [(operator, bias or None), ...]}.

    It leaves out tensors that anything reads in another role, and those of
    operators with a computed bias.
    """
    readers, excluded = {}, {unpacked.get(i, i) for i in graph.outputs}
    for operator in graph.operators:
        name = operator_name(model, operator)
        if name == "DENSIFY":
            continue
        place = _BIAS.get(name)
        inputs = [unpacked.get(index, index) for index in operator.inputs]
        weight = inputs[_WEIGHT] if place and len(inputs) > _WEIGHT else -1
        excluded |= set(inputs) - {weight}
        bias = _integer_bias(graph, operator, place)
        readers.setdefault(weight, []).append((operator, bias))
        if bias is not None and not _is_scaled(model, graph.tensors[bias]):
            excluded.add(weight)
    return {w: r for w, r in readers.items() if w not in excluded | {-1}}


def _integer_bias(graph, operator, place):
    for index in operator.inputs[place : place + 1] if place else ():
        if index >= 0 and graph.tensors[index].type in _BIAS_DTYPES:
            return int(index)
    return None


def _grid_values(model, tensor, limit):
    """Returns the integers on the grid of +-limit, or None off the grid."""
    is_int8 = tensor.type == schema.TensorType.INT8
    if not is_int8 or not _is_scaled(model, tensor):
        return None
    stored = model.buffers[tensor.buffer].data.view(np.int8)
    stored = stored.astype(np.float32)
    values = np.rint(stored * limit / _INT8_LIMIT)
    is_on_grid = np.rint(values * _INT8_LIMIT / limit) == stored
    is_symmetric = not np.any(tensor.quantization.zeroPoint)
    peaks = _peaks(dense_values(tensor, stored), tensor)
    reaches_end = np.isin(peaks, (0, _INT8_LIMIT))
    fits = is_symmetric and is_on_grid.all() and reaches_end.all()
    return values.astype(np.int8) if fits else None


def _is_scaled(model, tensor):
    """Returns whether the file holds the values and a scale for them."""
    has_scale = tensor.quantization and tensor.quantization.scale is not None
    return bool(is_constant(model, tensor) and has_scale)


def _peaks(stored, tensor):
    quantization = tensor.quantization
    if len(quantization.scale) == 1:
        return np.abs(stored).max()
    channels = np.moveaxis(stored, quantization.quantizedDimension, 0)
    return np.abs(channels).reshape(len(channels), -1).max(axis=1)


def _rescale_biases(model, graph, readers, factor):
    copies = {}
    for operator, bias in readers:
        if bias is None:
            continue
        if bias not in copies:
            copies[bias] = len(graph.tensors)
            graph.tensors.append(_rescaled(model, graph.tensors[bias], factor))
        indices = np.array(operator.inputs)
        indices[list(indices).index(bias, _WEIGHT + 1)] = copies[bias]
        operator.inputs = indices


def _rescaled(model, bias, factor):
    """Returns a copy: other operators may read the bias at its old scale."""
    bias = copy.deepcopy(bias)
    dtype = _BIAS_DTYPES[bias.type]
    stored = model.buffers[bias.buffer].data.view(dtype)
    _store(model, bias, np.rint(stored / factor).astype(dtype), factor)
    return bias


def _store(model, tensor, values, factor):
    model.buffers.append(schema.BufferT(values.reshape(-1).view(np.uint8)))
    tensor.buffer = len(model.buffers) - 1
    tensor.quantization.scale = np.float32(tensor.quantization.scale * factor)
    tensor.quantization.min = tensor.quantization.max = None
