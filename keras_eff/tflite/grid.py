import copy
import dataclasses

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_eff.graph.book import entry_of
from keras_eff.layers import TransformedWeights
from keras_eff.layers.cloning import layers_of
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
# Half a step, and what float32 adds.
_ROUNDING = 0.51


@dataclasses.dataclass(frozen=True)
class KernelIntegers:
    """The integers of a kernel, as the last step of its chain tells them.

    Attributes:
        rows: Array of shape (channels, weights of a channel).
        num_bits: Integer, their width, in bits.
    """

    rows: np.ndarray
    num_bits: int


def known_grids(model) -> list[KernelIntegers]:
    """The integers of all kernels of a model that know theirs."""
    found = []
    for layer in layers_of(model, TransformedWeights):
        axes = {w.name: w.scales for w in entry_of(layer).weights}
        for name, grid in layer.grids().items():
            if axes.get(name):
                rows = rows_of(grid.integers, axes[name])
                found.append(KernelIntegers(rows, grid.num_bits))
    return found


def restore_grids(
    model: schema.ModelT, grids: list[KernelIntegers], stored_bits: int = 8
) -> None:
    """Gives the weights of a file the integers that their steps tell.

    A kernel holds `k * d` per channel, with integers `|k| <= m`, where
    `m = 2**(num_bits - 1) - 1`. The converter knows neither: it stores
    `q = round(k * 127 / p)` with the scale `d * p / 127`, where `p` is the
    largest `|k|` of the channel: not quite that kernel. This stores `k * r`
    with the scale `d / r` for `r = 127 // m`, and rescales the biases to
    match, in the int8 weights of convolutions and dense layers. (With `k`
    itself, the biases would be `r` times coarser: measured, the kernels of
    different delegates then differ by 3 to 5 LSB, not 1.)

    With `stored_bits=4`, weights of 4 bits and fewer become INT4, with
    `r = 7 // m`, where all that reads them has a kernel for that.

    Of which kernel a weight is, its shape and all of its `q` tell, up to the
    sign of each channel, which a batch normalization may turn. The table of
    an embedding takes the scale of its output, not one of its own, and stays.

    `model`: the model of the file, which keeps its constants in its tables.
    `stored_bits`: 8 or 4, width of the narrowest integers in the file, in bits.
    """
    for graph in model.subgraphs:
        unpacked = _unpacked(model, graph)
        for output, source in unpacked.items():
            # One object, so that the scales of both change together.
            scales = graph.tensors[source].quantization
            graph.tensors[output].quantization = scales
        for weight, readers in _weight_readers(model, graph, unpacked).items():
            tensor = graph.tensors[weight]
            operators = [operator for operator, _ in readers]
            known = _known(model, tensor, operators[0], grids)
            if known is None:
                continue
            values, peaks, num_bits = known
            packs = stored_bits < 8 and num_bits <= stored_bits
            packs = packs and takes_int4(model, tensor, operators)
            limit = 2 ** (num_bits - 1) - 1
            step = (7 if packs else _INT8_LIMIT) // limit
            factor = _INT8_LIMIT / (peaks * step)
            if not packs and np.all(factor == 1):
                continue
            _store(model, tensor, (values * step).astype(np.int8), factor)
            _rescale_biases(model, graph, readers, factor)
            if packs:
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


def _known(model, tensor, operator, grids):
    """The integers of a weight, as they lie in the file, the largest of each
    channel and their width; None if no step tells them."""
    is_int8 = tensor.type == schema.TensorType.INT8
    if not is_int8 or not _is_scaled(model, tensor):
        return None
    if np.any(tensor.quantization.zeroPoint):
        return None
    stored = model.buffers[tensor.buffer].data.view(np.int8)
    dense = dense_values(tensor, stored)
    is_depthwise = operator_name(model, operator) == "DEPTHWISE_CONV_2D"
    axis = -1 if is_depthwise else 0
    rows = rows_of(dense, (axis,))
    has_one_scale = len(tensor.quantization.scale) == 1
    for grid in grids:
        if grid.rows.shape != rows.shape:
            continue
        peaks = np.abs(grid.rows.astype(int)).max(axis=1)
        peaks = np.max(peaks, keepdims=True) if has_one_scale else peaks
        peaks = np.where(peaks > 0, peaks, 2 ** (grid.num_bits - 1) - 1)
        exact = grid.rows * (_INT8_LIMIT / peaks).reshape(-1, 1)
        signs = signs_of(rows, exact, _ROUNDING)
        if signs is not None:
            moved = np.moveaxis(dense, axis, 0)
            values = (signs * grid.rows).reshape(moved.shape)
            values = np.moveaxis(values, 0, axis)
            return _as_stored(tensor, values, len(stored)), peaks, grid.num_bits
    return None


def rows_of(values, axes):
    """The values of each channel, which the axes count."""
    moved = np.moveaxis(values, axes, range(len(axes)))
    channels = np.prod([values.shape[axis] for axis in axes], dtype=int)
    return moved.reshape(channels, -1)


def signs_of(rows, exact, tolerance):
    """A column of the signs, or 0, with which rows are others; or None."""
    is_same, is_turned, is_gone = (
        np.all(np.abs(rows - sign * exact) <= tolerance, axis=1)
        for sign in (1, -1, 0)
    )
    if not np.all(is_same | is_turned | is_gone):
        return None
    signs = np.where(is_gone, 0, np.where(is_same, 1, -1))
    return signs.reshape(-1, 1)


def _as_stored(tensor, values, count):
    """Dense values as a file has them, without the zeros that it leaves out."""
    places = dense_values(tensor, np.arange(1, count + 1))
    stored = np.zeros(count, int)
    stored[places[places > 0] - 1] = values[places > 0]
    return stored


def _is_scaled(model, tensor):
    """Returns whether the file holds the values and a scale for them."""
    has_scale = tensor.quantization and tensor.quantization.scale is not None
    return bool(is_constant(model, tensor) and has_scale)


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
    tensor.quantization.scale = tensor.quantization.scale * np.float32(factor)
    tensor.quantization.min = tensor.quantization.max = None
