import keras
import numpy as np

from support.survey.fused_normalization import with_fused_normalization


def test_the_fused_layer_trains_as_keras_does():
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((6, 6, 2)),
        keras.layers.Conv2D(4, 3),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.Flatten(),
        keras.layers.BatchNormalization(),
    ]
    plain = keras.Sequential(layers)
    fused = with_fused_normalization(plain)
    x = np.random.default_rng(0).normal(3, 2, (256, 6, 6, 2)).astype("float32")
    outputs = [np.array(m(x, training=True)) for m in (plain, fused)]
    np.testing.assert_allclose(*outputs, rtol=1e-3, atol=1e-4)
    # The variance of 4,096 values, with and without Bessel's correction.
    for wanted, found in zip(plain.weights, fused.weights, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)
    outputs = [np.array(m(x, training=False)) for m in (plain, fused)]
    np.testing.assert_allclose(*outputs, rtol=1e-3, atol=1e-3)
