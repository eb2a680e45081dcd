import keras
import numpy as np
import pytest
from keras import ops

import keras_eff
from keras_eff.export.conversion import convert
from keras_eff.layers import FakeQuant
from keras_eff.lowering.lowering import Lowering
from keras_eff.lowering.rules import RULES
from keras_eff.tflite.flatbuffer import operator_name
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.float_casts import drop_float_casts
from tests.support.converted_files import rewritten

INTEGERS = (-128.0, 127.0)


def converted(cast, fixed_range=INTEGERS, reshape=False):
    """The file of a dense layer behind integers, before and after."""
    inputs = keras.Input((4,), dtype="int32")
    outputs = cast(inputs)
    if reshape:
        outputs = ops.reshape(outputs, (-1, 2, 2))
    outputs = FakeQuant(fixed_range=fixed_range)(outputs)
    outputs = FakeQuant(fixed_range=(-9, 9))(keras.layers.Dense(3)(outputs))
    lowered = Lowering(RULES).lower(keras.Model(inputs, outputs))
    data = convert(lowered, "int8", 1, "int8")
    return data, rewritten(data, drop_float_casts)


def names(data):
    model = parse(data)
    operators = model.subgraphs[0].operators
    return [operator_name(model, operator) for operator in operators]


def of_int8(x):
    return ops.cast(ops.cast(x, "int8"), "float32")


def of_bool(x):
    return ops.cast(x > 0, "float32")


@pytest.mark.parametrize("reshape", [False, True])
@pytest.mark.parametrize("cast", [of_int8, of_bool])
def test_no_float_is_left(cast, reshape, tmp_path):
    before, after = converted(cast, reshape=reshape)
    assert "QUANTIZE" in names(before)
    assert "QUANTIZE" not in names(after)
    (tmp_path / "a").write_bytes(before)
    (tmp_path / "b").write_bytes(after)
    assert keras_eff.export.inspect(tmp_path / "a").float_tensors
    assert not keras_eff.export.inspect(tmp_path / "b").float_tensors
    x = np.random.default_rng(0).integers(-128, 128, (9, 4)).astype("int32")
    old, new = (
        keras_eff.export.execute(tmp_path / name, [x]) for name in ("a", "b")
    )
    np.testing.assert_array_equal(old.delegate[0], new.delegate[0])
    np.testing.assert_array_equal(old.builtin[0], new.builtin[0])


def test_a_range_of_other_steps_is_left_alone():
    before, after = converted(of_int8, fixed_range=(-64.0, 63.5))
    assert names(after) == names(before)


def test_integers_that_may_not_fit_are_left_alone():
    before, after = converted(lambda x: ops.cast(x, "float32"))
    assert names(after) == names(before)


def test_a_cast_that_others_read_too_is_left_alone():
    inputs = keras.Input((4,), dtype="int32")
    floats = of_int8(inputs)
    outputs = [FakeQuant(fixed_range=r)(floats) for r in (INTEGERS, (-9, 9))]
    lowered = Lowering(RULES).lower(keras.Model(inputs, outputs))
    data = convert(lowered, "int8", 1, "int8")
    assert names(rewritten(data, drop_float_casts)) == names(data)
