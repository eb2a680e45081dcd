import functools

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from keras import ops

from keras_eff.ops.recurrence import Rounding
from keras_eff.ops.recurrence import linear_recurrence
from keras_eff.ops.recurrence import scan

LENGTHS = [*range(21), 64, 65, 130]
DIRECTIONS = pytest.mark.parametrize("reverse", [False, True])
CLOSE = {"rtol": 1e-5, "atol": 1e-5}

only_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="only a graph of TensorFlow has a dynamic length",
)


def data(length, batch=2, units=3):
    generator = np.random.default_rng(length)
    decays = generator.uniform(size=(batch, length, units))
    return decays, generator.normal(size=decays.shape)


def loop(decays, inputs, reverse=False):
    """The definition, one step after another, in float64."""
    states = np.zeros(inputs.shape)
    state = np.zeros(inputs[:, :1].sum(1).shape)
    steps = range(inputs.shape[1])
    for t in reversed(steps) if reverse else steps:
        state = decays[:, t] * state + inputs[:, t]
        states[:, t] = state
    return states


def dynamic(function, **options):
    """The function of two arrays, in a graph that does not know the length."""
    import tensorflow as tf

    spec = tf.TensorSpec((None, None, 3))
    return tf.function(function, input_signature=(spec, spec), **options)


def on_arrays(function, *arrays):
    arrays = [ops.convert_to_tensor(x, dtype="float32") for x in arrays]
    return ops.convert_to_numpy(function(*arrays))


def weighted(function, shape):
    """The function's result, each entry times a number of its own.

    A gradient of the sum then tells the entries apart.
    """
    weights = np.random.default_rng(9).normal(size=shape)
    return lambda x: function(x) * weights.astype("float32"), weights


def finite_differences(function, x, step=1e-6):
    found = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        change = np.zeros(x.shape)
        change[index] = step
        difference = function(x + change) - function(x - change)
        found[index] = difference.sum() / (2 * step)
    return found


@DIRECTIONS
@pytest.mark.parametrize("length", LENGTHS)
def test_a_static_length_equals_a_loop(length, reverse):
    decays, inputs = data(length)
    function = functools.partial(linear_recurrence, reverse=reverse)
    states = on_arrays(function, decays, inputs)
    np.testing.assert_allclose(states, loop(decays, inputs, reverse), **CLOSE)


@only_tensorflow
@DIRECTIONS
@pytest.mark.parametrize("options", [{}, {"jit_compile": True}])
def test_a_dynamic_length_equals_a_loop(options, reverse):
    function = functools.partial(linear_recurrence, reverse=reverse)
    function = dynamic(function, **options)
    # XLA compiles anew for each length.
    for length in [0, 1, 2, 7, 65] if options else LENGTHS:
        decays, inputs = data(length)
        states = on_arrays(function, decays, inputs)
        expected = loop(decays, inputs, reverse)
        np.testing.assert_allclose(states, expected, **CLOSE)


@only_tensorflow
def test_only_a_dynamic_length_takes_a_loop():
    import tensorflow as tf

    def operations(length):
        spec = tf.TensorSpec((None, length, 3))
        graph = tf.function(linear_recurrence).get_concrete_function(spec, spec)
        return {operation.type for operation in graph.graph.get_operations()}

    assert not {"While", "StatelessWhile"} & operations(64)
    assert {"While", "StatelessWhile"} & operations(None)


@hypothesis.settings(deadline=None, max_examples=40, derandomize=True)
@hypothesis.given(
    st.integers(0, 4), st.integers(0, 40), st.integers(1, 5), st.booleans()
)
def test_any_shape_equals_a_loop(batch, length, units, reverse):
    decays, inputs = data(length, batch, units)
    function = functools.partial(linear_recurrence, reverse=reverse)
    states = on_arrays(function, decays, inputs)
    assert states.shape == inputs.shape
    np.testing.assert_allclose(states, loop(decays, inputs, reverse), **CLOSE)


@DIRECTIONS
@pytest.mark.parametrize("length", [1, 3, 4, 9, 18])
def test_the_gradient_equals_finite_differences(length, reverse, gradient):
    arrays = np.stack(data(length, batch=1, units=2))
    function, weights = weighted(
        lambda x: linear_recurrence(x[0], x[1], reverse), arrays[0].shape
    )
    found = gradient(function, arrays.astype("float32"))
    expected = finite_differences(lambda x: weights * loop(*x, reverse), arrays)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@DIRECTIONS
@pytest.mark.parametrize("length", [1, 4, 5, 16, 23])
def test_the_gradient_equals_that_of_the_plain_operations(
    length, reverse, gradient
):
    arrays = np.stack(data(length)).astype("float32")
    found, expected = (
        gradient(
            weighted(
                lambda x, function=function: function(x[0], x[1], reverse),
                arrays[0].shape,
            )[0],
            arrays,
        )
        for function in (linear_recurrence, scan)
    )
    assert (found != 0).any()
    np.testing.assert_allclose(found, expected, **CLOSE)


@only_tensorflow
@DIRECTIONS
@pytest.mark.parametrize("options", [{}, {"jit_compile": True}])
def test_a_dynamic_length_has_the_gradient_of_a_static_one(options, reverse):
    import tensorflow as tf

    def gradients(decays, inputs):
        with tf.GradientTape() as tape:
            tape.watch([decays, inputs])
            loss = tf.reduce_sum(
                linear_recurrence(decays, inputs, reverse) ** 3
            )
        return tape.gradient(loss, [decays, inputs])

    compiled = dynamic(gradients, **options)
    for length in (2, 7, 13):
        arrays = [tf.constant(x, "float32") for x in data(length)]
        pairs = zip(compiled(*arrays), gradients(*arrays), strict=True)
        for found, expected in pairs:
            assert (expected.numpy() != 0).any()
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def grid(step):
    return lambda x: np.round(x / step) * step


def chunked_loop(decays, inputs, rounding):
    """Chunks of four steps, side by side; then chunks of those."""
    length = inputs.shape[1]
    size = min(4, length)
    starts = range(0, length, size)
    before = [0.0 * inputs[:, 0] for _ in starts]
    if len(starts) > 1:
        ends = []
        for start in starts:
            total, state = np.ones(1), np.zeros(1)
            for t in range(start, start + size):
                inside = t < length
                decay = decays[:, t] if inside else 0.0 * decays[:, 0]
                value = inputs[:, t] if inside else 0.0 * inputs[:, 0]
                first = t == start
                state = value if first else after(state, decay, value, rounding)
                total = decay if first else rounding.decay(decay * total)
            ends.append((total, state))
        ends = [np.stack(parts, 1) for parts in zip(*ends, strict=True)]
        before[1:] = np.moveaxis(chunked_loop(*ends, rounding), 1, 0)[:-1]
    states = np.zeros(inputs.shape)
    for start, state in zip(starts, before, strict=True):
        for t in range(start, min(start + size, length)):
            state = after(state, decays[:, t], inputs[:, t], rounding)
            states[:, t] = state
    return states


def after(state, decay, value, rounding):
    return rounding.state(rounding.state(decay * state) + value)


@DIRECTIONS
@pytest.mark.parametrize("length", [1, 3, 4, 5, 16, 17, 23])
def test_each_product_and_state_is_rounded(length, reverse):
    decays, inputs = map(grid(1 / 64), data(length))
    steps = {"decay": 1 / 32, "state": 1 / 8}
    rounding = Rounding(
        **{
            name: lambda x, step=step: ops.round(x / step) * step
            for name, step in steps.items()
        }
    )
    states = on_arrays(
        lambda *x: scan(*x, reverse, rounding=rounding), decays, inputs
    )
    np.testing.assert_array_equal(states, grid(1 / 8)(states))
    flip = (lambda x: x[:, ::-1]) if reverse else (lambda x: x)
    expected = chunked_loop(
        flip(decays),
        flip(inputs),
        Rounding(**{name: grid(step) for name, step in steps.items()}),
    )
    np.testing.assert_array_equal(states, flip(expected))


def test_rounding_sees_products_of_decays_apart_from_states():
    seen = {"decay": [], "state": []}

    def recorded(name):
        return lambda x: seen[name].append(ops.convert_to_numpy(x)) or x

    rounding = Rounding(**{name: recorded(name) for name in seen})
    ones = ops.ones((1, 16, 1))
    states = scan(0.5 * ones, ones, rounding=rounding)
    returned = seen["state"][-1]
    np.testing.assert_array_equal(returned.ravel(), np.ravel(states))
    assert {x for found in seen["decay"] for x in found.ravel()} <= {
        0.5**power for power in range(2, 17)
    }
    assert any((x > 1).any() for x in seen["state"])


def test_without_rounding_a_scan_is_the_recurrence():
    decays, inputs = data(11)
    states = on_arrays(scan, decays, inputs)
    np.testing.assert_allclose(states, loop(decays, inputs), **CLOSE)


@only_tensorflow
def test_rounding_has_no_part_in_a_dynamic_length():
    decays, inputs = data(11)
    zero = Rounding(ops.zeros_like, ops.zeros_like)
    function = dynamic(functools.partial(scan, rounding=zero))
    states = on_arrays(function, decays, inputs)
    np.testing.assert_allclose(states, loop(decays, inputs), **CLOSE)
