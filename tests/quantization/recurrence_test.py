import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.layers import FakeQuant
from keras_eff.layers.linear_recurrence import LinearRecurrence
from keras_eff.quantization.expansion import expand

LENGTH = 21


def model_of(layer, *, with_state=False, length=LENGTH):
    inputs = [keras.Input((length, 3)), keras.Input((length, 3))]
    kwargs = {}
    if with_state:
        kwargs["initial_state"] = keras.Input((3,))
    outputs = layer(*inputs, **kwargs)
    return keras.Model([*inputs, *kwargs.values()], outputs)


def samples(with_state=False):
    generator = np.random.default_rng(0)
    shape = (4, LENGTH, 3)
    state = [generator.uniform(-1, 1, (4, 3))] if with_state else []
    return [generator.uniform(size=shape), generator.uniform(-1, 1, shape)] + (
        state
    )


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_it_computes_the_same_to_the_rounding(reverse, with_state):
    layer = LinearRecurrence(reverse, bound=4.0)
    model = model_of(layer, with_state=with_state)
    expanded, _ = expand(model)
    x = samples(with_state)
    found, expected = expanded.predict(x), model.predict(x)
    step = 8.0 / 255
    assert np.abs(found - expected).max() < 4 * step
    assert np.abs(found - expected).mean() < step


def test_states_lie_on_the_grid_of_the_bound():
    expanded, _ = expand(model_of(LinearRecurrence(bound=2.0)))
    steps = expanded.predict(samples()) / (2.0 / 128)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


def test_without_a_bound_the_range_follows_the_states():
    model = model_of(LinearRecurrence())
    quantized = keras_eff.quantize(model)
    x = samples()
    keras_eff.calibrate(quantized, x)
    ranges = {
        layer.range
        for layer in quantized.layers
        if isinstance(layer, FakeQuant) and "states" in layer.name
    }
    ((low, high),) = ranges
    expected = model.predict(x)
    assert low == pytest.approx(expected.min(), abs=0.1)
    assert high == pytest.approx(expected.max(), abs=0.1)


def test_a_dynamic_length_stays_a_layer():
    expanded, _ = expand(model_of(LinearRecurrence(), length=None))
    assert any(isinstance(x, LinearRecurrence) for x in expanded.layers)
