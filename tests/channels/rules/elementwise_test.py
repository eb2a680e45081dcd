import keras
import numpy as np
import pytest

from keras_eff.channels.rules.elementwise import applied
from keras_eff.channels.rules.elementwise import is_elementwise


@pytest.mark.parametrize(
    ("name", "value"), [("sigmoid", 0.5), ("softplus", np.log(2)), ("relu", 0)]
)
def test_a_function_is_applied_to_what_is_known(name, value):
    function = keras.activations.get(name)
    assert is_elementwise(function)
    found = applied(function)(np.array([0.0, np.nan]))
    assert found[0] == pytest.approx(value, rel=1e-6)
    assert np.isnan(found[1])


def own(x):
    return x


@pytest.mark.parametrize(
    "function",
    [keras.activations.softmax, own, keras.layers.LeakyReLU()],
    ids=["softmax", "own", "layer"],
)
def test_what_may_mix_channels_is_not_elementwise(function):
    assert not is_elementwise(function)
