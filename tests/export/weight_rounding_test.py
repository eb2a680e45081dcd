import keras
import numpy as np
import pytest
from keras import layers

import keras_eff
from keras_eff.export.weight_rounding import round_weights
from keras_eff.layers import FakeQuant
from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant
from keras_eff.layers.cloning import layers_of
from keras_eff.ops.fake_quant import fake_quant_weight


def model():
    ids = keras.Input((8,), dtype="int32")
    x = layers.Embedding(40, 16, name="table")(ids)
    x = x + layers.MultiHeadAttention(2, 8, name="mha")(x, x)
    x = keras_eff.layers.QRNN(16, return_sequences=True, name="qrnn")(x)
    x = layers.SeparableConv1D(24, 3, activation="swish", name="sep")(x)
    x = layers.LayerNormalization()(layers.Average()([x, x * 2.0]))
    return keras.Model(ids, layers.Dense(3, name="small")(x[:, 0]))


@pytest.fixture
def ids():
    return np.random.default_rng(0).integers(0, 40, (6, 8)).astype("int32")


def rounded_names(clone):
    return {layer.name for layer in layers_of(clone, TransformedWeights)}


def test_weights_are_rounded_wherever_a_layer_has_them():
    assert rounded_names(round_weights(model(), 4, 100)) == {
        "table",
        "mha_query",
        "mha_key",
        "mha_value",
        "mha_attention_output",
        "qrnn_convolution",
        "sep_pointwise",
    }


def test_small_weights_stay():
    assert rounded_names(round_weights(model(), 4, 600)) == {
        "table",
        "qrnn_convolution",
    }


def test_nothing_but_weights_is_rounded(ids):
    original = model()
    clone = round_weights(original, 8, 100)
    assert not layers_of(clone, FakeQuant)
    expected = keras.ops.convert_to_numpy(original(ids))
    error = np.abs(clone(ids) - expected).max()
    assert 0 < error < 0.03 * np.abs(expected).max()


def test_what_is_taken_apart_computes_the_same(ids):
    original = model()
    clone = round_weights(original, 8, 100)
    for layer in layers_of(clone, TransformedWeights):
        layer.transforms.clear()
    np.testing.assert_allclose(clone(ids), original(ids), atol=1e-5)


def test_a_weight_has_a_scale_for_each_channel():
    original = keras.Sequential([keras.Input((16,)), layers.Dense(8)])
    (layer,) = layers_of(round_weights(original, 4, 1), TransformedWeights)
    np.testing.assert_array_equal(
        layer.transformed_variables()[0],
        fake_quant_weight(original.layers[0].kernel, 4, (-1,)),
    )


def test_steps_that_a_layer_has_are_kept():
    dense = layers.Dense(8, name="dense")
    inner = keras.Sequential([keras.Input((16,)), dense], name="inner")
    outer = keras.Sequential([keras.Input((16,)), inner])
    pruned = keras_eff.prune(outer, 0.5, skip=())
    clone = round_weights(pruned, 4, 1)
    (layer,) = layers_of(clone, TransformedWeights)
    assert [type(step) for step in layer.transforms] == [
        keras_eff.layers.PruningMask,
        WeightFakeQuant,
    ]
    assert np.mean(np.array(layer.transformed_variables()[0]) == 0) >= 0.5


def test_a_model_without_weights_to_round_is_refused():
    with pytest.raises(ValueError, match="no weight of 256 elements"):
        small = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
        round_weights(small, 8, 256)
