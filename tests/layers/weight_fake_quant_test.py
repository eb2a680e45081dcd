import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant


def test_contract(contract):
    contract(WeightFakeQuant)


def test_example_of_the_formula():
    kernel = np.float32([[0.4, -3.5], [1.0, 1.4], [-0.6, 0.5]])
    # Three bits: multiples of a third of the largest value of each column.
    expected = np.float32([[1 / 3, -3.5], [1.0, 3.5 / 3], [-2 / 3, 0.0]])
    outputs = ops.convert_to_numpy(WeightFakeQuant(3)(kernel))
    np.testing.assert_allclose(outputs, expected, rtol=1e-6)


@pytest.mark.parametrize("num_bits", range(2, 9))
@pytest.mark.parametrize("channel_axes", [(-1,), (-2, -1), (0,), ()])
def test_each_channel_has_a_grid_of_its_own(num_bits, channel_axes):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 5))
    step = WeightFakeQuant(num_bits, channel_axes)
    outputs = ops.convert_to_numpy(step(kernel.astype("float32")))
    axes = tuple({0, 1, 2, 3} - {axis % 4 for axis in channel_axes})
    limit = 2 ** (num_bits - 1) - 1
    scale = np.abs(kernel).max(axis=axes, keepdims=True) / limit
    integers = np.rint(kernel / scale)
    np.testing.assert_allclose(outputs, integers * scale, rtol=1e-5)
    assert np.abs(integers).max(axis=axes).min() == limit


@pytest.mark.parametrize("training", [False, True])
def test_it_acts_alike_in_training_and_inference(training):
    kernel = np.float32([[0.4, -3.0], [1.0, 1.4]])
    outputs = WeightFakeQuant(2)(kernel, training=training)
    assert ops.convert_to_numpy(outputs).tolist() == [[0.0, -3.0], [1.0, 0.0]]


def test_it_has_no_state():
    step = WeightFakeQuant()
    step(np.ones((2, 2), "float32"))
    assert not step.variables


def test_gradient_is_that_of_the_identity(gradient):
    kernel = np.float32([[0.4, -3.0], [1.0, 0.0]])
    assert (gradient(WeightFakeQuant(), kernel) == 1.0).all()


def test_a_channel_of_zeros_stays_zero():
    kernel = np.float32([[0.0, -3.0], [0.0, 3.0]])
    outputs = ops.convert_to_numpy(WeightFakeQuant()(kernel))
    np.testing.assert_array_equal(outputs, kernel)


@pytest.mark.parametrize("num_bits", [1, 9, True, "4"])
def test_num_bits_is_an_integer_from_2_to_8(num_bits):
    message = r"`num_bits` must be an integer in \[2, 8\]. Received: num_bits="
    with pytest.raises(ValueError, match=message):
        WeightFakeQuant(num_bits)


@pytest.mark.parametrize("channel_axes", [-1, None, "ab", (0.0,)])
def test_channel_axes_are_a_tuple_of_integers(channel_axes):
    message = "`channel_axes` must be a tuple .* Received: channel_axes="
    with pytest.raises(ValueError, match=message):
        WeightFakeQuant(channel_axes=channel_axes)


@pytest.mark.parametrize("axis", [2, -3])
def test_channel_axes_are_axes_of_the_weight(axis):
    step = WeightFakeQuant(channel_axes=(axis,))
    layer = TransformedWeights(keras.layers.Dense(3), [step])
    message = r"has shape \(2, 3\). Received: channel_axes=\("
    with pytest.raises(ValueError, match=message):
        layer.build((None, 2))


@pytest.mark.parametrize("channel_axes", [(-1,), (-2, -1), ()])
def test_its_grid_is_what_it_returns(channel_axes):
    step = WeightFakeQuant(3, channel_axes)
    kernel = np.random.default_rng(0).normal(size=(5, 3, 2)).astype("float32")
    kernel[..., 0] = 0.0
    grid = step.grid(kernel)
    assert grid.num_bits == 3 and np.abs(grid.integers).max() == 3
    outputs = keras.ops.convert_to_numpy(step(kernel))
    np.testing.assert_allclose(grid.values, outputs, rtol=1e-6)
