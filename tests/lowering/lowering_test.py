import keras
import numpy as np
from keras import layers

import keras_eff
from keras_eff.layers import FakeQuant
from keras_eff.layers import TransformedWeights
from keras_eff.lowering.lowering import Lowering
from keras_eff.lowering.rules import RULES


def samples(*shape):
    generator = np.random.default_rng(0)
    return generator.standard_normal((16, *shape)).astype("float32")


def test_lowered_model_has_no_nesting_and_no_transforms():
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(4)])
    inputs = keras.Input((6,))
    model = keras.Model(inputs, inner(inputs))
    quantized = keras_eff.calibrate(keras_eff.quantize(model), samples(6))
    lowered = Lowering(RULES).lower(quantized)
    kinds = {type(layer) for layer in lowered.layers}
    assert TransformedWeights not in kinds
    assert keras.Model not in {base for kind in kinds for base in kind.__mro__}
    np.testing.assert_allclose(
        lowered.predict(samples(6), verbose=0),
        quantized.predict(samples(6), verbose=0),
        atol=1e-6,
    )


def test_ranges_are_fixed():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4)])
    quantized = keras_eff.calibrate(keras_eff.quantize(model), samples(6))
    lowered = Lowering(RULES).lower(quantized)
    ranges = [
        [layer.range for layer in m.layers if isinstance(layer, FakeQuant)]
        for m in (quantized, lowered)
    ]
    assert ranges[0] == ranges[1]
    fixed = [x for x in lowered.layers if isinstance(x, FakeQuant)]
    assert all(layer.fixed_range for layer in fixed)


def test_half_precision_becomes_full():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = keras.Sequential(
            [
                keras.Input((6,)),
                layers.Dense(4),
                layers.Reshape((2, 2)),
                layers.Bidirectional(layers.LSTM(3)),
            ]
        )
        lowered = Lowering(RULES).lower(model)
    finally:
        keras.config.set_dtype_policy("float32")
    computing = [*lowered.layers[1:], lowered.layers[-1].forward_layer]
    assert {layer.compute_dtype for layer in computing} == {"float32"}
    assert lowered.outputs[0].dtype == "float32"


def test_one_factor_goes_into_the_weights_that_read_it():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 2)),
            layers.Rescaling(0.25),
            layers.ZeroPadding2D(1),
            layers.Conv2D(3, 3),
        ]
    )
    images = samples(4, 4, 2)
    quantized = keras_eff.calibrate(keras_eff.quantize(model), images)
    lowered = Lowering(RULES).lower(quantized)
    assert not [x for x in lowered.layers if isinstance(x, layers.Rescaling)]
    kernels = [
        keras.ops.convert_to_numpy(layer.kernel)
        for layer in lowered.layers
        if isinstance(layer, layers.Conv2D)
    ]
    kernel = keras.ops.convert_to_numpy(model.layers[-1].kernel)
    np.testing.assert_allclose(kernels[0], kernel / 4, atol=1e-3)
    scale = 1.0 / 255 * np.ptp(quantized.predict(images, verbose=0))
    np.testing.assert_allclose(
        lowered.predict(images, verbose=0),
        quantized.predict(images, verbose=0),
        atol=1.01 * scale,
    )


def test_a_factor_with_another_reader_is_applied():
    inputs = keras.Input((4,))
    x = layers.Rescaling(0.25)(inputs)
    model = keras.Model(inputs, [layers.Dense(2)(x), x + inputs, x])
    quantized = keras_eff.calibrate(keras_eff.quantize(model), samples(4))
    lowered = Lowering(RULES).lower(quantized)
    for actual, expected in zip(
        lowered.predict(samples(4), verbose=0),
        quantized.predict(samples(4), verbose=0),
        strict=True,
    ):
        step = np.ptp(expected) / 255
        np.testing.assert_allclose(actual, expected, atol=1.01 * step)
