import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.callbacks import ChannelPruning
from keras_eff.schedules import ConstantSparsity
from keras_eff.schedules import PolynomialDecay

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 6, 6, 3)).astype("float32")
Y = RNG.integers(0, 4, 96)


def network():
    """A residual network: the first and the last convolution are tied."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", name="stem")(inputs)
    x = keras.layers.BatchNormalization()(x)
    y = keras.layers.ReLU()(x)
    y = keras.layers.Conv2D(6, 1, activation="swish", name="inner")(y)
    y = keras.layers.Conv2D(8, 1, name="outer")(y)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Add()([x, y]))
    model = keras.Model(inputs, keras.layers.Dense(4)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    model.compile(optimizer, loss, metrics=["accuracy"], jit_compile=False)
    return model


@pytest.fixture(scope="module")
def trained():
    """A model after six steps, two of them since the last update; its log."""
    model = network()
    schedule = PolynomialDecay(0.0, 0.5, 0, 4)
    pruning = ChannelPruning(schedule, frequency=4)
    fit = model.fit(X, Y, 16, 1, verbose=0, callbacks=[pruning])
    return model, fit.history


def is_zero(variable, axis=-1):
    value = np.moveaxis(keras.ops.convert_to_numpy(variable), axis, 0)
    return ~value.reshape(len(value), -1).any(1)


def test_the_share_of_the_schedule_is_silent_in_each_layer(trained):
    model, _ = trained
    assert is_zero(model.get_layer("stem").kernel).sum() == 4
    assert is_zero(model.get_layer("inner").kernel).sum() == 3


def test_tied_layers_lose_the_same_channels_whole(trained):
    model, _ = trained
    stem, outer = model.get_layer("stem"), model.get_layer("outer")
    (norm,) = (
        x for x in model.layers if type(x).__name__ == "BatchNormalization"
    )
    silent = is_zero(stem.kernel)
    for variable in (stem.bias, norm.gamma, norm.beta, outer.kernel):
        np.testing.assert_array_equal(is_zero(variable), silent)


def test_removal_leaves_what_the_model_computes(trained):
    model, _ = trained
    smaller = keras_eff.remove_channels(model)
    assert smaller.get_layer("stem").filters == 4
    assert smaller.get_layer("inner").filters == 3
    np.testing.assert_allclose(smaller(X), model(X), atol=1e-5)


def test_the_share_of_all_channels_is_logged(trained):
    _, history = trained
    assert history["channel_sparsity"] == [pytest.approx(7 / 18)]


def test_training_goes_on_from_what_is_silent():
    model = network()
    first = ChannelPruning(ConstantSparsity(0.5))
    model.fit(X, Y, 16, 1, verbose=0, callbacks=[first])
    silent = is_zero(model.get_layer("stem").kernel)
    again = ChannelPruning(ConstantSparsity(0.5))
    model.fit(X, Y, 16, 1, verbose=0, callbacks=[again])
    np.testing.assert_array_equal(
        is_zero(model.get_layer("stem").kernel), silent
    )


def test_skip_keeps_the_channels_of_a_layer():
    model = network()
    pruning = ChannelPruning(ConstantSparsity(0.5), skip="inner")
    model.fit(X[:16], Y[:16], 16, 1, verbose=0, callbacks=[pruning])
    assert not is_zero(model.get_layer("inner").kernel).any()
    assert is_zero(model.get_layer("stem").kernel).sum() == 4


@pytest.mark.parametrize(
    "error, options",
    [
        (TypeError, {"schedule": 0.5}),
        (ValueError, {"frequency": 0}),
        (ValueError, {"scope": "erk"}),
        (ValueError, {"multiple_of": 0}),
        (ValueError, {"max_layer_sparsity": 1.0}),
    ],
    ids=["schedule", "frequency", "scope", "multiple_of", "max_layer_sparsity"],
)
def test_arguments_out_of_range_raise(error, options):
    (name,) = options
    with pytest.raises(error, match=f"`{name}`.*Received"):
        ChannelPruning(**{"schedule": ConstantSparsity(0.5), **options})
