import keras
import pytest
from keras import layers
from keras import ops

import keras_eff
from keras_eff.graph import book
from keras_eff.graph.book import Entry
from keras_eff.graph.book import WeightEntry


class Projection(layers.Layer):
    """A weight of its own shape, outputs first, and a constant behind."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width

    def build(self, shape):
        self.matrix = self.add_weight(shape=(self.width, 1, shape[-1]))
        self.offset = self.add_weight(shape=(self.width,))

    def call(self, x):
        matrix = ops.transpose(self.matrix[:, 0])
        return ops.sigmoid(ops.matmul(x, matrix) + self.offset)

    def get_config(self):
        return {**super().get_config(), "width": self.width}


class Residual(Projection):
    def call(self, x):
        return super().call(x) + ops.mean(x, -1, keepdims=True)


class Normalized(Projection):
    def call(self, x):
        return ops.softmax(super().call(x))


class Gated(Projection):
    def build(self, shape):
        super().build(shape)
        self.gate = self.add_weight(shape=(self.width,), initializer="ones")

    def call(self, x):
        return super().call(x) * self.gate


class GatedLinear(Projection):
    """Two halves in one weight."""

    def build(self, shape):
        shape = (2 * self.width, 1, shape[-1])
        self.matrix = self.add_weight(shape=shape)
        self.offset = self.add_weight(shape=(2 * self.width,))

    def call(self, x):
        x = ops.matmul(x, ops.transpose(self.matrix[:, 0])) + self.offset
        return x[..., : self.width] * ops.sigmoid(x[..., self.width :])


class Averaged(layers.Layer):
    """Without an argument that counts its channels."""

    def build(self, shape):
        self.matrix = self.add_weight(shape=(shape[-1], self.made(shape)))

    def made(self, shape):
        return 4

    def call(self, x):
        return x @ self.matrix


class Mixed(Averaged):
    """Makes as many channels as it reads."""

    def made(self, shape):
        return shape[-1]


WEIGHTS = (
    WeightEntry("matrix", outputs=(0,), inputs=-1),
    WeightEntry("offset", outputs=(-1,), inputs=None),
)


@pytest.fixture
def register(monkeypatch):
    def enter(kind, weights=WEIGHTS, size="width"):
        entry = Entry(channels="declared", weights=weights, size=size)
        monkeypatch.setitem(book._layers, kind, entry)

    return enter


def between(layer, activation="relu"):
    return keras.Sequential(
        [
            keras.Input((7, 5)),
            layers.Dense(8, activation, name="source"),
            layer,
            layers.Dense(2, name="head"),
            layers.Flatten(),
        ]
    )


def test_channels_go_along_the_axes_that_are_declared(register, same_as_masked):
    register(Projection)
    plan = same_as_masked(between(Projection(6, name="own")), 0.5)
    assert [plan.num_kept(group) for group in plan.groups] == [4, 3, 2]
    smaller = plan.remove().get_layer("own")
    assert tuple(smaller.matrix.shape) == (3, 1, 4)
    assert smaller.width == 3
    assert plan.num_macs == 7 * (5 * 4 + 4 * 3 + 3 * 2)
    assert not plan.without_macs


class Mask(keras_eff.layers.WeightTransform):
    order = 0

    def build(self, shape):
        self.mask = self.add_weight(shape=shape)

    def call(self, weight):
        return weight * self.mask


def test_state_of_steps_is_cut_with_a_declared_weight(register):
    register(Projection)
    steps = [Mask("matrix")]
    own = keras_eff.layers.TransformedWeights(Projection(6, name="own"), steps)
    plan = keras_eff.plan_channels(between(own), 0.5)
    (step,) = plan.remove().get_layer("own").transforms
    assert tuple(step.mask.shape) == (3, 1, 4)


def test_an_input_that_leaves_a_constant_stays(register, same_as_masked):
    register(Projection)
    plan = same_as_masked(between(Projection(6), "sigmoid"), 0.5)
    assert [plan.num_kept(group) for group in plan.groups] == [8, 3, 2]


@pytest.mark.parametrize("kind", [Residual, Normalized, Gated, GatedLinear])
def test_a_layer_that_computes_otherwise_stays_whole(kind, register):
    register(kind)
    plan = keras_eff.plan_channels(between(kind(6, name="own")), 0.5)
    assert not plan.removed
    reasons = {name: reason for name, _, reason in plan.left}
    assert "otherwise than its registered weights say" in reasons["own"]


def test_outputs_that_no_argument_counts_stay(register, same_as_masked):
    register(Averaged, (WeightEntry("matrix"),), size=None)
    plan = same_as_masked(between(Averaged(name="own")), 0.5)
    assert [plan.num_kept(group) for group in plan.groups] == [4, 4, 2]
    assert "is registered without `size`" in plan.groups[1].reason


def test_inputs_stay_where_they_may_count_the_outputs(register):
    register(Mixed, (WeightEntry("matrix"),), size=None)
    plan = keras_eff.plan_channels(between(Mixed()), 0.5)
    assert [plan.num_kept(group) for group in plan.groups] == [8, 8, 2]


def test_a_layer_that_cannot_be_built_smaller_is_named(register):
    class Fixed(Projection):
        def get_config(self):
            return {**super().get_config(), "width": 6}

        @classmethod
        def from_config(cls, config):
            return cls(**{**config, "width": 6})

    register(Fixed)
    with pytest.raises(ValueError, match="register_layer.*Fixed, which raises"):
        keras_eff.remove_channels(between(Fixed(6)), 0.5)


def test_images_keep_channels_last(register, same_as_masked):
    class Pointwise(layers.Layer):
        def __init__(self, filters, **kwargs):
            super().__init__(**kwargs)
            self.filters = filters

        def build(self, shape):
            shape = (1, 1, shape[-1], self.filters)
            self.kernel = self.add_weight(shape=shape)
            self.bias = self.add_weight(shape=(self.filters,))

        def call(self, x):
            return ops.conv(x, self.kernel) + self.bias

        def get_config(self):
            return {**super().get_config(), "filters": self.filters}

    register(Pointwise, (WeightEntry("kernel"),), "filters")
    model = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(8, 3, activation="relu"),
            Pointwise(6),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    plan = same_as_masked(model, 0.5)
    assert [plan.num_kept(group) for group in plan.groups] == [4, 3, 2]
    kernel = plan.remove().layers[2].kernel
    assert tuple(kernel.shape) == (1, 1, 4, 3)
