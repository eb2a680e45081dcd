import dataclasses

import numpy as np
import pytest

from keras_eff.edgetpu.file_operators import Operator
from keras_eff.edgetpu.file_operators import Tensor
from keras_eff.edgetpu.file_operators import operators
from keras_eff.tflite.flatbuffer import parse

TENSOR = Tensor(0, (1, 2), "int32", None, 1, 8, 0, True, False, False)


def with_data(array, **changes):
    data = np.frombuffer(array.tobytes(), np.uint8)
    return dataclasses.replace(TENSOR, data=data, **changes)


def test_operators_of_a_file_are_read(converted):
    found = operators(parse(converted("conv_int8").data), 0)
    conv = found[0]
    assert (conv.index, conv.name, conv.version) == (0, "CONV_2D", 3)
    assert conv.shape(0) == (1, 12, 12, 3)
    assert conv.output_shape == (1, 5, 5, 8)
    assert [t.dtype for t in conv.inputs] == ["int8", "int8", "int32"]
    assert [t.is_constant for t in conv.inputs] == [False, True, True]
    assert conv.input(1).size_bytes == 8 * 3 * 3 * 3
    assert conv.option("strideH") == 2
    assert found[-1].name == "SOFTMAX"


def test_open_dimensions_are_minus_1(converted):
    (dense,) = operators(parse(converted("dense").data), 0)
    assert dense.shape(0) == (-1, 8)


def test_dimensions_are_counted_from_the_first_above_1():
    for shape, count in (((1, 1, 4, 8), 2), ((4, 1, 8), 3), ((1,), 0)):
        tensor = dataclasses.replace(TENSOR, shape=shape)
        assert tensor.inner_dimensions == count


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integers_are_read(dtype):
    tensor = with_data(np.array([3, -1], dtype), dtype=dtype)
    assert tensor.integers() == [3, -1]


def test_what_are_no_integers_has_none():
    assert TENSOR.integers() is None
    assert with_data(np.zeros(3, np.int8)).integers() is None
    assert with_data(np.zeros(2, "f"), dtype="float32").integers() is None


def test_zeros_are_those_of_the_zero_point():
    tensor = with_data(np.full(3, -7, np.int8), dtype="int8")
    assert not tensor.is_all_zeros()
    assert dataclasses.replace(tensor, zero_point=-7).is_all_zeros()


def test_inputs_that_are_left_out_have_no_shape():
    operator = Operator(0, "ADD", 1, 0, (None,), (), None)
    assert operator.shape(0) == operator.shape(5) == ()
    assert operator.output_shape == ()
    assert operator.tensors == []
    assert operator.option("axis", 7) == 7


def test_a_large_constant_is_no_list_of_parameters():
    assert len(with_data(np.ones(64, np.int32)).integers()) == 64
    assert with_data(np.ones(65, np.int32)).integers() is None
