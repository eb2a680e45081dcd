import keras
import numpy as np
import pytest

from keras_eff.channels.weight_averages import averages_of


@pytest.fixture
def model():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])


def test_each_weight_has_the_average_that_takes_its_place(model):
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    scaled = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(scaled, "mse", jit_compile=False)
    assert averages_of(model) == {}
    model.fit(np.ones((8, 4)), np.ones((8, 2)), 4, verbose=0)
    averages = averages_of(model)
    for variable in model.trainable_variables:
        # `fit` has put the averages in the place of the weights.
        average = averages[id(variable)]
        assert average is not variable
        np.testing.assert_array_equal(average.numpy(), variable.numpy())


def test_without_averages_there_are_none(model):
    assert averages_of(model) == {}
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(np.ones((8, 4)), np.ones((8, 2)), verbose=0)
    assert averages_of(model) == {}
