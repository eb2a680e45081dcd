import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.lowering.one_scale import rounded_to_one_scale


def test_weights_become_integers_times_one_number():
    weights = np.random.default_rng(0).uniform(0.4, 1.0, 50)
    rounded = rounded_to_one_scale(weights, tolerance=0.01)
    integers = rounded / (weights.max() / 127.0)
    np.testing.assert_allclose(integers, np.rint(integers), rtol=1e-12)
    np.testing.assert_allclose(rounded, weights, rtol=0.01)


@pytest.mark.parametrize("weights", [[1.0, 0.01], [1.0, -0.0117], [0.0, 0.0]])
def test_weights_that_one_number_cannot_hold(weights):
    assert rounded_to_one_scale(np.array(weights), tolerance=0.01) is None


def lone_batch_norm(gammas):
    """A file of one normalization, its statistics far from 0."""
    channels = len(gammas)
    layer = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((6, 6, channels)), layer])
    layer.gamma.assign(gammas)
    layer.moving_mean.assign(np.full(channels, 5.0))
    generator = np.random.default_rng(0)
    samples = generator.normal(5.0, 1.0, (64, 6, 6, channels))
    samples = samples.astype("float32")
    quantized = keras_eff.calibrate(keras_eff.quantize(model), samples)
    return model, quantized, samples


@pytest.mark.parametrize(
    ("smallest", "scales"), [(0.5, 1), (0.01, 40)], ids=["close", "spread"]
)
def test_a_normalization_has_one_scale_where_its_factors_are_close(
    smallest, scales, tmp_path
):
    gammas = np.geomspace(smallest, 1.0, 40)
    model, quantized, samples = lone_batch_norm(gammas)
    report = keras_eff.export.to_tflite(
        quantized, tmp_path / "m.tflite", samples=samples
    )
    contents = keras_eff.export.inspect(report.path)
    (weight,) = (t for t in contents.tensors if t.shape == (1, 1, 1, 40))
    assert len(weight.scales) == scales
    outputs = keras_eff.export.execute(report.path, [samples]).delegate[0]
    error = outputs - model.predict(samples, verbose=0)
    # Not the factors' errors times a mean of 5: the offsets make up for it.
    means = np.abs(error.mean(axis=(0, 1, 2)))
    assert means.max() < 0.1 * contents.outputs[0].scale


def test_an_average_has_one_scale(tmp_path):
    pooling = keras.layers.AveragePooling2D(3, 1, padding="valid")
    model = keras.Sequential([keras.Input((8, 8, 16)), pooling])
    samples = np.random.default_rng(0).random((8, 8, 8, 16), "float32")
    quantized = keras_eff.calibrate(keras_eff.quantize(model), samples)
    report = keras_eff.export.to_tflite(
        quantized, tmp_path / "m.tflite", samples=samples
    )
    contents = keras_eff.export.inspect(report.path)
    (weight,) = (t for t in contents.tensors if t.shape == (1, 3, 3, 16))
    assert len(weight.scales) == 1
    assert report.max_abs_error <= 1.01 * contents.outputs[0].scale
