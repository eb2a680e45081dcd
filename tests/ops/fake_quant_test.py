import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from keras import ops

from keras_eff.ops.fake_quant import fake_quant_weight


def fake_quant(weight, num_bits, channel_axes):
    weight = ops.convert_to_tensor(weight)
    outputs = fake_quant_weight(weight, num_bits, channel_axes)
    return ops.convert_to_numpy(outputs)


def reference(weight, num_bits, channel_axes):
    """The docstring's formula, one channel and one value at a time."""
    limit = 2 ** (num_bits - 1) - 1
    outputs = np.zeros(weight.shape)
    kept = [axis % weight.ndim for axis in channel_axes]
    for channel in np.ndindex(*(weight.shape[axis] for axis in kept)):
        where = [slice(None)] * weight.ndim
        for axis, index in zip(kept, channel, strict=True):
            where[axis] = index
        values = np.float64(weight[tuple(where)])
        scale = np.abs(values).max() / limit
        rounded = [round(v / scale) * scale for v in values.ravel()]
        outputs[tuple(where)] = np.reshape(rounded, values.shape)
    return outputs


@pytest.mark.parametrize("num_bits", range(2, 9))
@pytest.mark.parametrize(
    "shape, channel_axes",
    [
        ((5, 4), (-1,)),
        ((3, 3, 2, 4), (3,)),
        ((3, 3, 4, 2), (-2, -1)),
        ((3, 2, 4), (-2,)),
        ((6, 4), ()),
    ],
)
def test_values_equal_a_loop_over_channels(shape, channel_axes, num_bits):
    weight = np.random.default_rng(0).normal(size=shape).astype("float32")
    np.testing.assert_allclose(
        fake_quant(weight, num_bits, channel_axes),
        reference(weight, num_bits, channel_axes),
        rtol=1e-6,
    )


finite_columns = st.lists(
    st.floats(-1e4, 1e4, width=32), min_size=1, max_size=30
)


@hypothesis.settings(deadline=None, max_examples=50, derandomize=True)
@hypothesis.given(finite_columns, st.integers(2, 8))
def test_a_channel_holds_few_integers_near_its_values(column, num_bits):
    weight = np.float32(column)[:, np.newaxis]
    outputs = fake_quant(weight, num_bits, (-1,))
    limit = 2 ** (num_bits - 1) - 1
    step = np.abs(weight).max() / limit
    assert len(np.unique(outputs)) <= 2 * limit + 1
    assert (np.abs(outputs - weight) <= step * 0.5001).all()
    assert (outputs[weight == 0] == 0).all()
    again = fake_quant(outputs, num_bits, (-1,))
    np.testing.assert_allclose(again, outputs, rtol=1e-6)


@pytest.mark.parametrize("tiny", [0.0, 1e-45, 1e-37])
def test_a_channel_of_zeros_stays_zero(tiny):
    weight = np.float32([[tiny, 1.0], [-tiny, 2.0]])
    outputs = fake_quant(weight, 8, (-1,))
    assert outputs[:, 0].tolist() == [0.0, 0.0]
    assert outputs[1, 1] == 2.0


def test_gradient_is_that_of_the_identity(gradient):
    weight = np.float32([[-2.0, 0.3], [0.0, 0.0]])
    factors = np.float32([[1.0, 2.0], [3.0, 4.0]])

    def weighted(x):
        return fake_quant_weight(x, 4, (-1,)) * ops.convert_to_tensor(factors)

    np.testing.assert_array_equal(gradient(weighted, weight), factors)


def test_arithmetic_is_in_float32_at_least():
    weight = np.random.default_rng(0).normal(size=(50, 2)).astype("float16")
    outputs = fake_quant(weight, 8, (-1,))
    assert outputs.dtype == "float16"
    expected = reference(weight, 8, (-1,)).astype("float16")
    np.testing.assert_array_equal(outputs, expected)
