import itertools

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from keras_eff.ops.range_search import mse_range
from keras_eff.ops.range_search import percentile_range


def histogram(values, bins=200):
    return np.histogram(values, bins)


def mean_squared_error(values, counts, low, high, num_bits):
    """Rounding and clipping to the levels of a range, value by value."""
    scale = (high - low) / (2**num_bits - 1)
    zero_point = round(-low / scale)
    total = 0.0
    for value, count in zip(values, counts, strict=True):
        integer = round(value / scale) + zero_point
        integer = max(0, min(2**num_bits - 1, integer))
        total += count * ((integer - zero_point) * scale - value) ** 2
    return total


def errors(counts, edges, num_bits, steps=80):
    """The error of every range whose ends are shares of the data's."""
    centres = (edges[1:] + edges[:-1]) / 2
    shares = np.linspace(1 / steps, 1, steps)
    low, high = min(edges[0], 0.0), max(edges[-1], 0.0)
    lows, highs = low * shares, high * shares
    return {
        bounds: mean_squared_error(centres, counts, *bounds, num_bits)
        for bounds in itertools.product(set(lows), set(highs))
        if bounds[1] > bounds[0]
    }


@pytest.mark.parametrize("coverage", [0.9, 0.99, 1.0])
def test_percentile_range_leaves_the_tails_out(coverage):
    values = np.random.default_rng(0).normal(size=100_000)
    low, high = percentile_range(*histogram(values, 2000), coverage)
    tail = (1 - coverage) / 2
    expected = np.quantile(values, [tail, 1 - tail])
    np.testing.assert_allclose([low, high], expected, atol=0.02)


def test_percentile_range_leaves_an_outlier_out():
    values = np.append(np.linspace(-1.0, 1.0, 9999), 1000.0)
    counts, edges = histogram(values, 2000)
    assert percentile_range(counts, edges, 0.999)[1] < 2.0


@pytest.mark.parametrize("sign", [-1, 1])
def test_percentile_range_is_widened_to_contain_zero(sign):
    values = sign * np.linspace(2.0, 3.0, 100)
    low, high = percentile_range(*histogram(values), 0.9)
    assert (high if sign < 0 else low) == 0.0
    assert low < high


@pytest.mark.parametrize("num_bits", [2, 4])
def test_mse_range_of_one_sided_data_has_the_least_error(num_bits):
    values = np.abs(np.random.default_rng(0).normal(size=500))
    counts, edges = histogram(values, 50)
    edges[0] = 0.0
    of_range = errors(counts, edges, num_bits)
    best = mse_range(counts, edges, num_bits)
    expected = min(of_range, key=of_range.get)
    np.testing.assert_allclose(best, expected, rtol=1e-9)


def test_mse_range_moves_both_ends_together_and_then_each_alone():
    values = np.random.default_rng(0).gamma(2.0, size=2000) - 0.7
    counts, edges = histogram(values, 50)
    of_range = errors(counts, edges, 3)
    lows, highs = (sorted(set(ends)) for ends in zip(*of_range, strict=True))
    pairs = zip(reversed(lows), highs, strict=True)
    together = min(pairs, key=of_range.get)
    high = min(highs, key=lambda high: of_range[together[0], high])
    low = min(lows, key=lambda low: of_range[low, high])
    assert (low, high) not in (together, (together[0], high))
    assert mse_range(counts, edges, 3) == (low, high)


def test_mse_range_clips_an_outlier_that_costs_all_others_precision():
    values = np.append(np.random.default_rng(0).normal(size=10_000), 40.0)
    counts, edges = histogram(values, 2000)
    low, high = mse_range(counts, edges, 4)
    assert -4.5 < low < -1.5
    assert 1.5 < high < 20.0


skewed_values = st.lists(st.floats(-10.0, 30.0, width=32), min_size=2).filter(
    lambda values: max(values) - min(values) > 1e-2
)


@hypothesis.settings(deadline=None, max_examples=20, derandomize=True)
@hypothesis.given(skewed_values, st.integers(2, 8))
def test_mse_range_is_no_worse_than_the_range_of_the_data(values, num_bits):
    counts, edges = histogram(values, 20)
    low, high = mse_range(counts, edges, num_bits)
    widest = min(edges[0], 0.0), max(edges[-1], 0.0)
    assert widest[0] <= low <= 0.0 <= high <= widest[1]
    centres = (edges[1:] + edges[:-1]) / 2
    ours = mean_squared_error(centres, counts, low, high, num_bits)
    whole = mean_squared_error(centres, counts, *widest, num_bits)
    assert ours <= whole * (1 + 1e-9) + 1e-9


def test_mse_range_takes_its_number_of_shares():
    values = np.random.default_rng(0).normal(size=1000)
    counts, edges = histogram(values)
    low, high = mse_range(counts, edges, 8, steps=1)
    assert (low, high) == (edges[0], edges[-1])
