import keras
import numpy as np
import pytest
from keras import layers

import keras_eff
from keras_eff.quantization.probe import Probe
from keras_eff.quantization.probe import rounded
from keras_eff.quantization.quantize import place

SAMPLES = np.random.default_rng(0).standard_normal((5, 4), "float32")


@pytest.fixture
def dense():
    steps = [keras.Input((4,), name="x"), layers.Dense(3, name="dense")]
    return keras.Sequential(steps)


@pytest.fixture
def probe_and_network(dense):
    quantized, _, whole_of = place(dense, ())
    keras_eff.calibrate(quantized, SAMPLES)
    probe = Probe(whole_of)
    return probe, probe.rewrite(quantized)


def test_it_computes_in_float_until_a_rounding_is_on(dense, probe_and_network):
    probe, network = probe_and_network
    before = network.predict_on_batch(SAMPLES)
    np.testing.assert_allclose(before, dense(SAMPLES), rtol=1e-6)
    for switched_on in (
        probe.switches["dense"].on(),
        rounded(probe.kernels["dense"], 2),
    ):
        with switched_on:
            assert np.any(network.predict_on_batch(SAMPLES) != before)
        after = network.predict_on_batch(SAMPLES)
        np.testing.assert_array_equal(after, before)


def test_an_error_inside_leaves_all_roundings_off(probe_and_network):
    probe, network = probe_and_network
    before = network.predict_on_batch(SAMPLES)
    for switched_on in (
        probe.switches["x"].on(),
        rounded(probe.kernels["dense"], 2),
    ):
        with pytest.raises(KeyError), switched_on:
            raise KeyError
    np.testing.assert_array_equal(network.predict_on_batch(SAMPLES), before)
