import logging
import warnings

import keras
import numpy as np
import pytest
from keras import layers

import keras_eff


@keras.saving.register_keras_serializable(package="tests")
class Scale(layers.Layer):
    """A layer whose weight has a name of its own."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 8), name="w")

    def call(self, x):
        return x @ self.w


def model_of(*parts, shape=(8,)):
    return keras.Sequential([keras.Input(shape), *parts])


def told(*arguments, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        keras_eff.prune(*arguments, **options)
    return [str(w.message) for w in caught if "prune" in str(w.message)]


def test_what_cannot_be_pruned_is_named_with_its_share():
    model = model_of(
        layers.Dense(8, name="hidden"),
        Scale(name="scale"),
        layers.Dense(16, name="head"),
    )
    (message,) = told(model, 0.5)
    assert "a share of 0.750 of the weights stays dense: scale (" in message
    assert "Scale has weights of its own names; a share of 0.250)" in message
    assert "head (last layer with weights, by default; a share of" in message
    (message,) = told(model, 0.5, skip="head")
    assert "scale" in message and "head" not in message


def test_thin_layers_that_are_large_are_told_and_others_are_logged(caplog):
    small, large = layers.Dense(2, name="small"), layers.Dense(99, name="large")
    with caplog.at_level(logging.WARNING):
        assert not told(model_of(layers.Dense(30), small), 0.5)
    assert "small (last layer with weights, by default" in caplog.text
    (message,) = told(model_of(layers.Dense(8), large), 0.5)
    assert "large (last layer with weights, by default" in message
    assert not told(model_of(layers.Dense(8), large), 0.5, skip="large")
    assert not told(model_of(layers.Dense(8), large), 0.5, skip=())


def test_integer_kernels_are_named():
    model = model_of(layers.Dense(8, name="lora"), layers.Dense(8))
    model.layers[0].enable_lora(2)
    (message,) = told(model, 0.5, skip=())
    assert "lora (quantized or LoRA; " in message


@pytest.mark.parametrize(
    "parts, skip, message",
    [
        ([layers.LSTM(4, name="lstm")], None, r"`skip=\(\)`.*\['lstm'\]"),
        ([Scale()], None, "no layer with a weight that can be pruned"),
        ([layers.Dense(4)], layers.Dense, "less to keep.*skip=Dense$"),
        ([layers.Dense(4)], lambda layer: True, "skip=<lambda>$"),
    ],
    ids=["default", "none", "class", "function"],
)
def test_a_model_with_nothing_to_prune_is_told_why(parts, skip, message):
    shape = (3, 4) if isinstance(parts[0], layers.LSTM) else (4,)
    with pytest.raises(ValueError, match=message):
        keras_eff.prune(model_of(*parts, shape=shape), 0.5, skip=skip)


def test_to_prune_less_gives_nothing_back():
    model = model_of(layers.Dense(8), layers.Dense(8))
    once = keras_eff.prune(model, 0.75, skip=())
    twice = keras_eff.prune(once, 0.25, skip=())
    masks = [layer.transforms[0].sparsity for layer in twice.layers[1:]]
    np.testing.assert_array_equal(masks, 0.75)
