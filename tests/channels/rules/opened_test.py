import keras
import numpy as np
import pytest
from keras import layers

import keras_eff
from keras_eff.graph import book
from keras_eff.graph.book import Entry


class Block(layers.Layer):
    """Dense layers around which the input goes; it names no sizes inside."""

    def __init__(self, width=12, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.width = width
        self.inner = layers.Dense(width, "relu", name="inner")
        self.dropout = layers.Dropout(0.5, name="dropout")

    def build(self, shape):
        self.outer = layers.Dense(shape[-1], name="outer")

    def call(self, x, training=None):
        return x + self.dropout(self.outer(self.inner(x)), training=training)

    def get_config(self):
        return {**super().get_config(), "width": self.width}


class Encoder(layers.Layer):
    """Attention, and a block in the block."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.attention = layers.MultiHeadAttention(4, 3, name="attention")
        self.block = Block(name="block")

    def call(self, x):
        return self.block(x + self.attention(x, x))


class Mixer(layers.Layer):
    """A model in a layer."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        inner = [layers.Dense(12, "relu", name="wide"), layers.Dense(8)]
        self.net = keras.Sequential(inner, name="net")

    def call(self, x):
        return x + self.net(x)


class Doubled(keras_eff.layers.WeightTransform):
    order = 0

    def call(self, weight):
        return weight * 2


class Scaled(Block):
    def build(self, shape):
        super().build(shape)
        self.scale = self.add_weight(shape=(shape[-1],))

    def call(self, x):
        return super().call(x) * self.scale


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    for kind in (Block, Encoder, Mixer, Scaled):
        entry = Entry(kind="composed", channels="opened", opens=kind.call)
        monkeypatch.setitem(book._layers, kind, entry)


def between(*parts, size=(6, 5)):
    return keras.Sequential(
        [
            keras.Input(size),
            layers.Dense(8, name="source"),
            *parts,
            layers.Dense(2, name="head"),
        ]
    )


def kept(plan):
    return {group.name: plan.num_kept(group) for group in plan.groups}


def test_channels_go_inside_a_block_and_around_it(same_as_masked):
    model = between(Block(name="one"), Block(name="two"))
    plan = same_as_masked(model, 0.5)
    assert kept(plan) == {
        "source": 4,
        "one_inner": 6,
        "two_inner": 6,
        "head": 2,
    }
    assert plan.groups[0].layers == ("source", "one_outer", "two_outer")
    assert plan.num_macs == 6 * (5 * 4 + 4 * 4 * 6 + 4 * 2)
    assert not plan.left[1:] and not plan.without_macs
    names = {layer.name for layer in plan.remove().layers}
    assert {"one_inner", "two_outer"} < names and "one" not in names


def test_heads_go_of_an_encoder(same_as_masked):
    plan = same_as_masked(between(Encoder(name="encoder")), 0.5)
    assert kept(plan) == {
        "source": 4,
        "encoder_attention": 2,
        "encoder_block_inner": 6,
        "head": 2,
    }
    smaller = plan.remove()
    assert smaller.get_layer("encoder_attention").num_heads == 2


def test_channels_go_of_models_inside_blocks(same_as_masked):
    plan = same_as_masked(between(Mixer(name="one"), Mixer(name="two")), 0.5)
    assert kept(plan) == {"source": 4, "one_wide": 6, "two_wide": 6, "head": 2}
    names = {layer.name for layer in plan.remove().layers}
    assert {"one_net", "two_net"} < names


def test_a_block_in_a_model_that_is_called_again(same_as_masked):
    inner = keras.Sequential([keras.Input((6, 8)), Block(name="block")])
    plan = same_as_masked(between(inner, inner), 0.5)
    assert kept(plan) == {"source": 4, "block_inner": 6, "head": 2}


def test_a_block_of_which_nothing_goes_is_copied_whole():
    model = between(Block(name="one"), Block(name="two"))
    plan = keras_eff.plan_channels(model, {"two_inner": 0.5})
    smaller = plan.remove()
    names = {layer.name for layer in smaller.layers}
    assert {"one", "two_inner", "two_outer"} < names and "two" not in names
    assert isinstance(smaller.get_layer("one"), Block)
    assert plan.num_parameters == smaller.count_params()


def test_a_shared_block_stays_shared(same_as_masked):
    block = Block(name="block")
    plan = same_as_masked(between(block, block), 0.5)
    assert kept(plan) == {"source": 4, "block_inner": 6, "head": 2}
    smaller = plan.remove()
    assert [layer.name for layer in smaller.layers].count("block_inner") == 1


def test_a_block_that_is_skipped_keeps_its_channels():
    plan = keras_eff.plan_channels(between(Block(name="one")), 0.5, skip="one")
    assert kept(plan) == {"source": 8, "one_inner": 12, "head": 2}


def test_a_weight_outside_of_the_layers_is_told_of():
    with pytest.raises(ValueError, match="must have all weights in the layers"):
        keras_eff.plan_channels(between(Scaled()), 0.5)


def test_a_block_behind_steps_stays_whole():
    steps = [Doubled("inner.kernel")]
    block = keras_eff.layers.TransformedWeights(Block(name="own"), steps)
    plan = keras_eff.plan_channels(between(block), 0.5)
    reasons = {name: reason for name, _, reason in plan.left}
    assert reasons["own"].endswith("Block 'own' sees its weights through steps")


def test_the_model_does_not_become_part_of_another():
    model = between(Block(name="one"))
    before = model.get_config()
    keras_eff.remove_channels(model, 0.5)
    assert model.get_config() == before
    block = model.get_layer("one")
    assert not block.inner._inbound_nodes


def test_masks_go_on_behind_a_block():
    inputs = keras.Input((None,), dtype="int32")
    x = layers.Embedding(9, 8, mask_zero=True, name="source")(inputs)
    x = layers.LSTM(4, name="reader")(Block(name="one")(x))
    model = keras.Model(inputs, layers.Dense(2)(x))
    words = np.array([[1, 2, 3, 0, 0, 0]])
    plan = keras_eff.plan_channels(model, {"one_inner": 0.25})
    smaller = plan.remove()
    with plan.masked():
        expected = model(words)
    np.testing.assert_allclose(smaller(words), expected, atol=1e-5)
    assert np.abs(smaller(words) - smaller(words[:, :3])).max() < 1e-5
