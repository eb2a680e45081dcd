import keras
import numpy as np
import pytest
from keras import layers

import keras_eff
from keras_eff.export.preparation import prepare
from keras_eff.export.preparation import weight_bits
from keras_eff.layers import FakeQuant
from keras_eff.layers.sublayers import layers_of

SAMPLES = [np.linspace(-1, 1, 160, dtype="float32").reshape(10, 16)]


@pytest.fixture
def model():
    return keras.Sequential(
        [keras.Input((16,)), layers.Dense(32), layers.Dense(32)]
    )


@pytest.mark.parametrize("name", ["float32", "float16", "dynamic", "int16x8"])
def test_what_the_converter_rounds_is_the_model_itself(name, model):
    assert prepare(model, name, SAMPLES, "minmax") is model


@pytest.mark.parametrize("name, num_bits", [("int8", 8), ("int4", 4)])
def test_integers_are_calibrated_on_the_samples(name, num_bits, model):
    prepared = prepare(model, name, SAMPLES, "minmax")
    first, *_ = layers_of(prepared, FakeQuant)
    assert first.range == (-1.0, 1.0)
    assert weight_bits(prepared) == [num_bits]


@pytest.mark.parametrize("num_bits", [8, 4])
def test_weight_only_rounds_weights_alone(num_bits, model):
    name = f"weight_only_int{num_bits}"
    prepared = prepare(model, name, None, "minmax")
    assert not layers_of(prepared, FakeQuant)
    assert weight_bits(prepared) == [num_bits]


def test_a_model_that_rounds_is_the_one(model):
    num_bits = dict(zip([x.name for x in model.layers], [3, 6], strict=True))
    aware = keras_eff.quantize(model, num_bits)
    keras_eff.calibrate(aware, *SAMPLES)
    assert prepare(aware, "int4", None, "minmax") is aware
    assert weight_bits(aware) == [3, 6]


@pytest.mark.parametrize("num_bits", [8, 5])
def test_4_bits_need_a_weight_of_4_bits_or_fewer(num_bits, model):
    aware = keras_eff.quantize(model, num_bits)
    keras_eff.calibrate(aware, *SAMPLES)
    with pytest.raises(ValueError, match=rf"weights of \[{num_bits}\] bits"):
        prepare(aware, "int4", None, "minmax")


def test_ranges_that_have_seen_nothing_are_refused(model):
    with pytest.raises(ValueError, match="Received: no range in"):
        prepare(keras_eff.quantize(model), "int8", None, "minmax")


def test_activations_of_other_widths_are_refused(model):
    aware = keras_eff.quantize(model, activation_bits=6)
    keras_eff.calibrate(aware, *SAMPLES)
    with pytest.raises(ValueError, match=r"num_bits=\[6\]"):
        prepare(aware, "int8", None, "minmax")
