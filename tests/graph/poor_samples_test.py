import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.graph.poor_samples import warn_of_poor_samples

GOOD = np.random.default_rng(0).normal(size=(40, 8)).astype("float32")


def network(**arguments):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    return keras_eff.quantize(model, **arguments)


def with_outlier():
    samples = GOOD.copy()
    samples[3, 2] = 1e6
    return samples


@pytest.mark.parametrize(
    "samples, message",
    [
        (np.zeros((40, 8), "f"), "values of 0 throughout"),
        (np.full((40, 8), 7.5, "f"), "values of 7.5 throughout"),
        (np.repeat(GOOD[:1], 40, axis=0), "40 times the same sample"),
        (GOOD[:1] + 1e-4 * GOOD, "40 times the same sample"),
        (1000.0 + GOOD * 0.1, "throughout"),
        (with_outlier(), "up to 1e+06, of which half are below"),
    ],
)
def test_calibration_warns_of_what_cannot_be_data(samples, message, told):
    model = network()
    keras_eff.calibrate(model, samples)
    (text,) = told()
    assert message in text
    assert all(layer.calibrated for layer in model.layers[1::2])


@pytest.mark.parametrize(
    "samples, message",
    [
        (np.abs(GOOD), "a small part of the range"),
        (GOOD * 1000.0, "are outside of the range"),
    ],
)
def test_samples_in_other_units_than_the_range_are_told(samples, message, told):
    keras_eff.calibrate(network(input_range=(0.0, 255.0)), samples)
    (text,) = told()
    assert message in text


def test_samples_are_compared_with_ranges_that_a_model_has_learned(told):
    model = keras_eff.calibrate(network(), GOOD)
    warn_of_poor_samples(model, [GOOD * 100.0], finds_ranges=False)
    (text,) = told()
    assert "are outside of the range" in text


def two_inputs(samples):
    inputs = [keras.Input((8,)), keras.Input((8,), dtype="int32")]
    x = inputs[0] * keras.ops.cast(inputs[1], "float32")
    warn_of_poor_samples(keras.Model(inputs, x), samples, True)


def test_good_samples_do_not_warn(told):
    model = keras_eff.calibrate(network(), GOOD)
    warn_of_poor_samples(model, [GOOD], finds_ranges=False)
    # Most pixels are black, most words are not in a text.
    keras_eff.calibrate(network(), GOOD * (GOOD > 1.8))
    keras_eff.calibrate(network(), GOOD[:1])
    keras_eff.calibrate(network(input_range=(-2.0, 2.0)), GOOD)
    two_inputs([GOOD, np.ones((40, 8), "int32")])
    assert told() == []


def test_constant_integers_are_told_where_all_inputs_are_poor(told):
    two_inputs([GOOD * 0.0, np.ones((40, 8), "int32")])
    (text,) = told()
    assert "for input 'input_layer', " in text
    assert "for input 'input_layer_1', " in text
