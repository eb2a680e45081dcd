import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_eff.tflite.flatbuffer import operator_name
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.int4 import pack_weight
from keras_eff.tflite.int4 import packed
from keras_eff.tflite.int4 import takes_int4


def unpacked(content, count):
    halves = [half for byte in content for half in (byte & 15, byte >> 4)]
    return [h - 16 if h > 7 else h for h in halves[:count]]


@pytest.mark.parametrize("count", [1, 16, 17])
def test_two_values_share_a_byte_the_first_in_the_low_half(count):
    values = np.arange(count).reshape(1, -1) % 16 - 8
    content = packed(values)
    assert content.dtype == np.uint8 and len(content) == -(-count // 2)
    assert unpacked(content.tolist(), count) == values.ravel().tolist()
    assert packed(np.array([1, -2])).tolist() == [0xE1]


@pytest.fixture
def model(converted):
    return parse(converted("conv_int8").data)


def reader(model, name):
    operators = model.subgraphs[0].operators
    return next(x for x in operators if operator_name(model, x) == name)


@pytest.mark.parametrize(
    "name, takes",
    [
        ("CONV_2D", True),
        ("DEPTHWISE_CONV_2D", True),
        ("FULLY_CONNECTED", True),
        ("MEAN", False),
    ],
)
def test_operators_with_a_kernel_take_it(name, takes, model):
    operator = reader(model, name)
    tensor = model.subgraphs[0].tensors[operator.inputs[1]]
    assert takes_int4(model, tensor, [operator]) is takes
    assert not takes_int4(model, tensor, [operator, reader(model, "MEAN")])


def test_a_sparse_weight_is_not_taken(model):
    operator = reader(model, "CONV_2D")
    tensor = model.subgraphs[0].tensors[operator.inputs[1]]
    tensor.sparsity = schema.SparsityParametersT()
    assert not takes_int4(model, tensor, [operator])


@pytest.mark.parametrize(
    "name, version",
    [("CONV_2D", 7), ("DEPTHWISE_CONV_2D", 7), ("FULLY_CONNECTED", 10)],
)
def test_a_packed_weight_is_told_to_the_runtime(name, version, model):
    operator = reader(model, name)
    tensor = model.subgraphs[0].tensors[operator.inputs[1]]
    values = (np.arange(np.prod(tensor.shape)) % 15 - 7).astype(np.int8)
    model.buffers.append(schema.BufferT(values.view(np.uint8)))
    tensor.buffer = len(model.buffers) - 1
    pack_weight(model, tensor, [operator])
    assert tensor.type == schema.TensorType.INT4
    content = model.buffers[tensor.buffer].data.tolist()
    assert unpacked(content, len(values)) == values.tolist()
    assert model.operatorCodes[operator.opcodeIndex].version == version
    stored = [bytes(b.data) for b in model.buffers if b.data is not None]
    assert b"2.11.0".ljust(16, b"\0") in stored
