import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_eff.graph.book import unwrapped
from keras_eff.graph.cloning import clone
from keras_eff.graph.cloning import with_weight_fake_quant
from keras_eff.graph.cloning import without_activation
from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant
from keras_eff.layers import WeightTransform
from keras_eff.layers.cloning import assign
from keras_eff.layers.cloning import copy_state
from keras_eff.quantization.quantize import quantize


class Unregistered(layers.Layer):
    """A layer with a default config, unknown to Keras."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor

    def compute_output_shape(self, input_shape):
        return input_shape


class WithoutConfig(layers.Layer):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


class WithWrongConfig(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def get_config(self):
        return super().get_config()


class Cell(layers.Layer):
    """A recurrent cell, unknown to Keras."""

    state_size = 2
    output_size = 2

    def call(self, inputs, states):
        return inputs + states[0], [inputs + states[0]]


class Doubling(keras.regularizers.Regularizer):
    def __call__(self, weight):
        return 2.0 * ops.sum(weight)

    def get_config(self):
        return {}


class Filled(keras.initializers.Initializer):
    """An initializer that holds a lambda, as one of the user's may."""

    def __init__(self, value):
        self.value = value

    def __call__(self, shape, dtype=None):
        return ops.full(shape, self.value(), dtype)

    def get_config(self):
        return {"value": keras.saving.serialize_keras_object(self.value)}


class Mask(WeightTransform):
    """Multiplies a weight by zeros and ones."""

    order = 0

    def build(self, shape):
        self.mask = self.add_weight(
            name="mask", shape=shape, initializer="ones", trainable=False
        )

    def call(self, weight):
        return weight * self.mask


class Shift(WeightTransform):
    """Adds a trained number to the weight; a step with state."""

    order = 0

    def build(self, shape):
        self.amount = self.add_weight(name="amount", initializer="zeros")

    def call(self, weight):
        return weight + self.amount


def built(layer, *shape):
    layer.build((None, *shape))
    return layer


def unregistered_activation(x):
    return x * 3.0


def scaling(factor):
    return lambda x: ops.tanh(x) * factor


def cell(factor):
    return layers.SimpleRNNCell(2, activation=scaling(factor))


def same_outputs(first, second, *shape):
    inputs = np.random.default_rng(0).normal(size=(2, *shape))
    inputs = inputs.astype("float32")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(first(inputs)),
        ops.convert_to_numpy(second(inputs)),
    )


def test_a_clone_has_the_config_and_new_weights():
    layer = built(layers.Dense(2, use_bias=False, name="mine"), 3)
    copy = clone(layer)
    assert copy.get_config() == layer.get_config() and copy is not layer
    assert not copy.built
    assert clone(layer, units=5).units == 5


@pytest.mark.parametrize(
    "layer",
    [
        Unregistered(3.0),
        layers.TimeDistributed(Unregistered(3.0)),
        layers.RNN(Cell()),
        layers.Dense(2, activation=unregistered_activation),
        layers.Dense(2, activation=lambda x: x * 3.0),
        layers.Dense(2, activation=layers.PReLU()),
        layers.Dense(2, kernel_regularizer=Doubling()),
        layers.SimpleRNN(2, activation=unregistered_activation),
        layers.RNN([cell(2.0), cell(3.0)]),
        layers.TimeDistributed(layers.Lambda(lambda x: ops.abs(x))),
        layers.Dense(2, kernel_initializer=Filled(lambda: ops.ones(()))),
        layers.Activation(lambda x: x + 1.0),
        layers.Lambda(lambda x: ops.abs(x)),
        layers.Lambda(
            lambda x, by: x[..., :1] * by,
            output_shape=lambda shape: (*shape[:-1], 1),
            arguments={"by": 2.0},
        ),
    ],
    ids=lambda layer: layer.name,
)
def test_what_nobody_registered_is_cloned(layer):
    inputs = np.ones((1, 4, 2), "float32")
    layer(inputs)
    copy = clone(layer)
    copy(inputs)
    copy_state(layer, copy)
    same_outputs(layer, copy, 4, 2)
    assert copy(keras.Input((4, 2))).shape == layer(keras.Input((4, 2))).shape


def test_an_activation_layer_inside_is_cloned_too():
    layer = built(layers.Dense(2, activation=layers.PReLU()), 3)
    assert clone(layer).activation is not layer.activation


def test_a_clone_has_the_name_even_if_the_config_lacks_it():
    class Nameless(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)

    assert clone(Nameless(name="mine")).name == "mine"


@pytest.mark.parametrize("layer", [WithoutConfig(abs), WithWrongConfig(2)])
def test_a_layer_without_a_config_is_named(layer):
    kind = type(layer).__name__
    message = rf"{layer.name!r} cannot be copied.*`get_config`.*{kind}"
    with pytest.raises(ValueError, match=message):
        clone(layer)


def test_weights_and_trainability_are_carried_over():
    layer = layers.Bidirectional(layers.GRU(2, dropout=0.5))
    layer(np.ones((1, 4, 3), "float32"))
    layer.backward_layer.trainable = False
    copy = clone(layer)
    copy(np.ones((1, 4, 3), "float32"))
    copy_state(layer, copy)
    same_outputs(layer, copy, 4, 3)
    assert len(copy.trainable_weights) == len(layer.trainable_weights) == 3


def test_state_computed_from_variables_is_carried_over():
    layer = layers.Normalization()
    layer.adapt(np.array([[1.0, 5.0], [3.0, 5.5]], "float32"))
    copy = built(clone(layer), 2)
    copy_state(layer, copy)
    same_outputs(layer, copy, 2)


def test_state_made_by_the_first_call_is_carried_over():
    layer = layers.Dense(2, activation=layers.PReLU())
    layer(np.ones((1, 3), "float32"))
    layer.activation.alpha.assign([3.0, 4.0])
    copy = clone(layer)
    assert copy(keras.Input((3,))).shape == (None, 2)
    copy_state(layer, copy)
    same_outputs(layer, copy, 3)


def test_an_adapted_vocabulary_is_carried_over():
    layer = layers.IntegerLookup()
    layer.adapt(np.array([7, 9, 9]))
    copy = clone(layer)
    copy_state(layer, copy)
    np.testing.assert_array_equal(copy(np.array([9, 7, 1])), [1, 2, 0])


def test_another_number_of_variables_is_refused():
    layer = built(layers.Dense(2, name="mine"), 3)
    with pytest.raises(ValueError, match="'mine' must .*2 variables for 1"):
        assign(layer, layer.variables[:1])


def test_a_weight_fake_quant_is_put_behind_the_layer_s_weight():
    layer = layers.DepthwiseConv2D(3, name="mine", trainable=False)
    wrapped = with_weight_fake_quant(layer, 4)
    (step,) = wrapped.transforms
    assert (step.num_bits, step.channel_axes) == (4, (-2, -1))
    assert step.weight_name == "kernel"
    assert (wrapped.name, wrapped.trainable) == ("mine", False)
    assert wrapped.layer is not layer and not wrapped.layer.trainable


def test_a_new_weight_fake_quant_replaces_the_old_one_alone():
    first = TransformedWeights(
        layers.Dense(2),
        [
            WeightFakeQuant(8),
            Shift(),
            WeightFakeQuant(8, (), weight_name="bias"),
        ],
        name="mine",
    )
    built(first, 3)
    first.transforms[0].amount.assign(0.5)
    second = built(with_weight_fake_quant(first, 3), 3)
    assign(second, first.variables)
    steps = [(type(t), t.weight_name) for t in second.transforms]
    assert steps == [
        (Shift, "kernel"),
        (WeightFakeQuant, "bias"),
        (WeightFakeQuant, "kernel"),
    ]
    assert second.transforms[-1].num_bits == 3
    assert second.name == "mine"
    assert float(ops.convert_to_numpy(second.transforms[0].amount)) == 0.5


def pruned(layer):
    """The layer behind a mask of ones and zeros, and what else it has."""
    mask = Mask()
    steps = getattr(layer, "transforms", [])
    wrapped = TransformedWeights(unwrapped(layer), [*steps, mask])
    built(wrapped, 3)
    mask.mask.assign([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    return wrapped


@pytest.mark.parametrize(
    "apply",
    [
        lambda layer: with_weight_fake_quant(pruned(layer), 4),
        lambda layer: with_weight_fake_quant(
            pruned(with_weight_fake_quant(layer, 8)), 4
        ),
        lambda layer: pruned(with_weight_fake_quant(layer, 4)),
    ],
    ids=["mask first", "mask between", "mask last"],
)
def test_masks_come_before_the_fake_quant_in_any_order(apply):
    layer = built(layers.Dense(2), 3)
    wrapped = built(apply(layer), 3)
    mask, fake_quant = wrapped.transforms
    assert isinstance(mask, Mask) and fake_quant.num_bits == 4


def test_a_mask_outlives_quantize_and_is_seen_before_rounding():
    inputs = keras.Input((3,))
    layer = pruned(built(layers.Dense(2, name="dense"), 3))
    quantized = quantize(keras.Model(inputs, layer(inputs)), 4)
    copy = quantized.layers[-2]
    mask = ops.convert_to_numpy(copy.transforms[0].mask)
    np.testing.assert_array_equal(mask, [[0, 1], [1, 0], [0, 0]])
    seen = ops.convert_to_numpy(copy.transformed_variables()[0])
    kernel = ops.convert_to_numpy(copy.kernel)
    np.testing.assert_allclose(seen, kernel * mask, rtol=1e-6)


def test_an_activation_and_its_regularizer_are_left_to_others():
    layer = layers.Dense(2, activation="tanh", activity_regularizer="l2")
    plain = without_activation(layer)
    wrapped = without_activation(with_weight_fake_quant(layer, 8))
    for copy in (plain, wrapped.layer):
        assert copy.activation is keras.activations.linear
        assert copy.activity_regularizer is None
    assert len(wrapped.transforms) == 1
    assert layer.activation is keras.activations.tanh
