import math

import numpy as np
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_eff.tuning.median_stopping import median_rule

NUMBERS = st.floats(-10, 10, width=32) | st.just(math.nan)
CURVE = st.lists(NUMBERS, min_size=1, max_size=6)
MODE = st.sampled_from(["min", "max"])


def numbered(values):
    return dict(enumerate(values, start=1))


def naive_statistics(own, peers, epoch, mode):
    """Own best and median of the averages, as losses, by a NumPy loop."""
    sign = {"min": 1.0, "max": -1.0}[mode]
    averages = []
    for peer in peers:
        seen = sign * np.array(peer[:epoch])
        seen[np.isnan(seen)] = np.inf
        if len(peer) >= epoch or np.isinf(seen).any():
            averages.append(np.mean(seen))
    if not averages:
        return None
    seen = sign * np.array(own[:epoch])
    best = np.inf if np.isnan(seen).any() else seen.min()
    return best, np.median(averages)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(CURVE, st.lists(CURVE, max_size=5), MODE, st.sampled_from([0.0, 1.0]))
def test_the_decision_is_that_of_a_loop_over_arrays(own, peers, mode, delta):
    epoch = len(own)
    median = median_rule.median_of_averages(map(numbered, peers), epoch, mode)
    expected = naive_statistics(own, peers, epoch, mode)
    assert (median is None) == (expected is None)
    if expected:
        best, naive_median = expected
        sign = {"min": 1.0, "max": -1.0}[mode]
        found = median_rule.best_so_far(numbered(own), epoch, mode)
        assert found == sign * best
        np.testing.assert_allclose(sign * median, naive_median, atol=1e-6)
        decision = median_rule.is_behind(found, median, mode, delta)
        if not np.isclose(best, naive_median + delta, atol=1e-6):
            assert decision == (best > naive_median + delta)


def test_an_average_begins_where_it_is_told_to():
    values = {3: 1.0, 4: 2.0, 5: 6.0}
    average = median_rule.running_average
    assert average(values, 5, "min", 3) == 3.0
    assert average(values, 5, "min", 4) == 4.0
    # What begins later says nothing of the epochs before.
    assert average(values, 5, "min", 2) is average(values, 5, "min") is None


def test_a_value_equal_to_the_median_is_not_behind():
    assert not median_rule.is_behind(0.5, 0.5, "max", 0.0)


def test_two_diverged_curves_are_not_behind_one_another():
    assert not median_rule.is_behind(math.inf, math.inf, "min", 0.0)


def test_values_after_the_epoch_do_not_count():
    values = numbered([1.0, 2.0, 30.0])
    assert median_rule.running_average(values, 2, "max") == 1.5
    assert median_rule.best_so_far(values, 2, "max") == 2.0


def test_a_curve_that_ended_before_the_epoch_has_no_average():
    assert median_rule.running_average(numbered([1.0]), 2, "max") is None


def test_a_curve_that_ended_with_a_nan_counts_as_worst_later():
    values = numbered([1.0, math.nan])
    assert median_rule.running_average(values, 1, "min") == 1.0
    assert median_rule.running_average(values, 5, "min") == math.inf
    assert median_rule.running_average(values, 5, "max") == -math.inf
