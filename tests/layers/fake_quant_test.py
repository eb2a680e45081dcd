import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from keras import ops

from keras_eff.layers import FakeQuant

# None is a multiple of half a step at any width: 0 has one nearest level.
RANGES = [(-0.7, 1.9), (0.0, 6.0), (-3.1, 0.0), (-5.3, 0.01)]


def learned():
    """A layer that has seen data from -1 to 2."""
    layer = FakeQuant()
    see(layer, [-1.0, 2.0])
    return layer


def see(layer, values, training=True):
    return ops.convert_to_numpy(layer(np.float32(values), training=training))


def levels(low, high, num_bits):
    """The values of the integers, from the formula of the docstring."""
    scale = (high - low) / (2**num_bits - 1)
    zero_point = round(-low / scale)
    return [(i - zero_point) * scale for i in range(2**num_bits)]


@pytest.mark.parametrize("options", [{}, {"fixed_range": (-1.5, 2.5)}])
def test_contract(contract, options):
    contract(lambda: FakeQuant(**options))


@pytest.mark.parametrize("bounds", RANGES)
@pytest.mark.parametrize("num_bits", range(2, 17))
def test_values_equal_a_loop_over_the_formula(bounds, num_bits):
    grid = levels(*bounds, num_bits)
    scale = grid[1] - grid[0]
    generator = np.random.default_rng(num_bits)
    indices = generator.integers(-3, 2**num_bits + 3, 50)
    offsets = generator.uniform(-0.45, 0.45, 50)
    expected, inputs = [], []
    for index, offset in zip(indices, offsets, strict=True):
        inputs.append(grid[0] + (index + offset) * scale)
        expected.append(grid[min(max(index, 0), len(grid) - 1)])
    layer = FakeQuant(num_bits, fixed_range=bounds)
    outputs = see(layer, inputs, training=False)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=scale / 100)


ranges = st.tuples(st.floats(-1e3, 0), st.floats(0, 1e3)).filter(
    lambda bounds: bounds[1] - bounds[0] > 1e-3
)


@hypothesis.settings(deadline=None, max_examples=50, derandomize=True)
@hypothesis.given(ranges, st.integers(2, 16), st.integers(0, 2**32 - 1))
def test_rounding_is_idempotent_keeps_zero_and_errs_by_half_a_step(
    bounds, num_bits, seed
):
    layer = FakeQuant(num_bits, fixed_range=bounds)
    inside = np.random.default_rng(seed).uniform(*bounds, 100)
    outputs = see(layer, inside)
    scale = (bounds[1] - bounds[0]) / (2**num_bits - 1)
    assert np.abs(outputs - np.float32(inside)).max() <= scale * 0.51
    assert len(np.unique(outputs)) <= 2**num_bits
    np.testing.assert_array_equal(see(layer, outputs), outputs)
    assert see(layer, [0.0, 2e3, -2e3])[0] == 0.0


def test_gradient_is_one_inside_the_range_and_zero_outside(gradient):
    layer = FakeQuant(2, fixed_range=(-6.0, 6.0))  # in effect (-8, 4)
    x = np.float32([-8.1, -7.9, -1.0, 0.0, 3.9, 4.1])
    assert gradient(layer, x).tolist() == [0, 1, 1, 1, 1, 0]
    unseen = FakeQuant()
    assert gradient(unseen, x).tolist() == [1] * 6


def test_first_batch_sets_the_range_and_the_next_ones_move_it():
    layer = FakeQuant(momentum=0.75)
    see(layer, [-1.0, 2.0])
    assert layer.range == (-1.0, 2.0)
    see(layer, [-5.0, 1.0])
    assert layer.range == (-2.0, 1.75)


@pytest.mark.parametrize(
    "batch, expected", [([1.0, 2.0], (0.0, 2.0)), ([-2.0, -1.0], (-2.0, 0.0))]
)
def test_range_contains_zero(batch, expected):
    layer = FakeQuant()
    see(layer, batch)
    assert layer.range == expected


def test_a_batch_of_zeros_does_not_count_as_the_first():
    layer = FakeQuant(momentum=0.5)
    see(layer, [0.0, 0.0])
    assert not layer.calibrated
    see(layer, [0.0, 4.0])
    assert layer.range == (0.0, 4.0)
    see(layer, [0.0, 0.0])
    assert layer.range == (0.0, 2.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_batch_that_is_not_finite_leaves_the_range(value):
    layer = learned()
    see(layer, [0.0, value])
    assert layer.range == (-1.0, 2.0)


def test_an_empty_batch_is_taken():
    layer = FakeQuant()
    assert see(layer, np.zeros((0, 3))).shape == (0, 3)
    assert not layer.calibrated


def test_range_is_frozen_at_inference_and_when_not_trainable():
    layer = learned()
    see(layer, [-9.0, 9.0], training=False)
    layer.trainable = False
    see(layer, [-9.0, 9.0])
    assert layer.range == (-1.0, 2.0)
    assert see(layer, [9.0])[0] == pytest.approx(2.0)


@pytest.mark.parametrize(
    "options", [{}, {"jit_compile": True}, {"run_eagerly": True}]
)
def test_range_follows_the_data_in_fit(options):
    layer = FakeQuant(momentum=0.5)
    model = keras.Sequential([keras.Input((1,)), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse", **options)
    x = np.float32([[1.0], [-2.0], [3.0], [2.0]])
    model.fit(x, x, batch_size=2, shuffle=False, verbose=0)
    assert layer.range == (-1.0, 2.0)
    model.evaluate(10 * x, x, verbose=0)
    assert layer.range == (-1.0, 2.0)


def test_replicas_share_the_mean_of_their_ranges(on_two_replicas):
    # Of maxima .75 and 1.75, then, after a momentum of .5, 1.5 and 3.5.
    assert on_two_replicas["range"] == [0.0, 1.875]
    assert on_two_replicas["range_max"] == [1.875, 1.875]


def test_calibrated_tells_whether_the_range_is_known(tmp_path):
    layer = FakeQuant()
    assert not layer.calibrated
    model = keras.Sequential([keras.Input((1,)), layer])
    assert not layer.calibrated
    see(layer, [[1.0]], training=False)
    assert not layer.calibrated
    see(layer, [[1.0]])
    assert layer.calibrated
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").layers[0]
    assert loaded.calibrated
    assert loaded.range == (0.0, 1.0)
    assert FakeQuant(fixed_range=(0, 1)).calibrated


@pytest.mark.parametrize("width", [0.0, 1e-45, 1e-36])
def test_input_is_returned_unchanged_without_a_range(width):
    layer = FakeQuant()
    layer.build()
    layer.range_max.assign(width)
    x = np.float32([-1.2345, 0.0, np.pi])
    assert not layer.calibrated
    np.testing.assert_array_equal(see(layer, x, training=False), x)


def test_rounding_is_in_float32_whatever_the_dtype_policy():
    x = np.random.default_rng(0).normal(size=200).astype("float16")
    half = FakeQuant(12, fixed_range=(-3.0, 3.1), dtype="float16")
    full = FakeQuant(12, fixed_range=(-3.0, 3.1))
    outputs = ops.convert_to_numpy(half(x))
    np.testing.assert_array_equal(outputs, see(full, x).astype("float16"))
    learning = FakeQuant(dtype="float16")
    learning(np.float16([-6e4, 6e4]), training=True)
    assert learning.range == (-6e4, 6e4)
    assert learning.range_max.dtype == "float32"


@pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="only JAX can look for NaNs"
)
def test_nothing_is_nan_on_the_way_without_a_range():
    import jax

    with jax.debug_nans(True):
        see(FakeQuant(), [0.0, 1.0], training=False)


def test_fixed_range_never_moves():
    layer = FakeQuant(fixed_range=[-1, 2])
    see(layer, [-9.0, 9.0])
    assert layer.range == (-1.0, 2.0)
    assert not layer.weights
    with pytest.raises(ValueError, match=r"Received: set_range\(0, 1\)"):
        layer.set_range(0, 1)


@pytest.mark.parametrize(
    "bounds, expected",
    [
        ((-1.0, 2.0), (-1.0, 2.0)),
        ((1.0, 2.0), (0.0, 2.0)),
        ((-2, -1), (-2.0, 0.0)),
        ((0.0, 0.0), (0.0, pytest.approx(1e-6))),
    ],
)
def test_set_range_widens_the_range_to_contain_zero(bounds, expected):
    layer = FakeQuant()
    layer.set_range(*bounds)
    assert layer.calibrated
    assert layer.range == expected


@pytest.mark.parametrize(
    "bounds", [(2.0, 1.0), (np.nan, 1.0), (0.0, np.inf), ("0", "1"), (0, True)]
)
def test_set_range_refuses_what_is_no_range(bounds):
    with pytest.raises(ValueError, match=r"Received: (set_range\(|range_m)"):
        learned().set_range(*bounds)


def test_an_observer_sees_the_input_in_place_of_rounding():
    layer, seen = learned(), []
    layer.observer = seen.append
    x = np.float32([-7.0, 0.123])
    np.testing.assert_array_equal(see(layer, x), x)
    np.testing.assert_array_equal(ops.convert_to_numpy(seen[0]), x)
    assert layer.range == (-1.0, 2.0)


def test_mask_passes_through(masked_mean):
    masked_mean(FakeQuant(fixed_range=(-1, 1)))


@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_a_tensor_that_is_not_float_is_refused(dtype):
    message = f"takes a float tensor.* Received: a tensor of dtype {dtype}"
    with pytest.raises(TypeError, match=message):
        FakeQuant()(np.ones(2, dtype))
    with pytest.raises(TypeError, match=message):
        FakeQuant()(keras.Input((2,), dtype=dtype))


@pytest.mark.parametrize("num_bits", [1, 17, True, 8.0, "8", np.nan, None])
def test_num_bits_is_an_integer_from_2_to_16(num_bits):
    message = r"`num_bits` must be an integer in \[2, 16\]. Received: num_bits="
    with pytest.raises(ValueError, match=message):
        FakeQuant(num_bits)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, True, False, "0.9", np.nan])
def test_momentum_is_a_float_below_1(momentum):
    message = r"`momentum` must be a float in \[0, 1\). Received: momentum="
    with pytest.raises(ValueError, match=message):
        FakeQuant(momentum=momentum)


@pytest.mark.parametrize(
    "fixed_range",
    [
        (1, 2),
        (-2, -1),
        (2, -2),
        (0, 0),
        (0, 1e-45),
        (np.nan, 1),
        (0, np.inf),
        (-1e300, 1),
        (False, True),
        ("-1", "1"),
        "06",
        (0, 1, 2),
        1.0,
    ],
)
def test_fixed_range_is_a_pair_around_zero(fixed_range):
    message = r"`fixed_range` must be a pair .* Received: fixed_range="
    with pytest.raises(ValueError, match=message):
        FakeQuant(fixed_range=fixed_range)
