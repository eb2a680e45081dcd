import numpy as np
import pytest

from keras_eff.export.held_out import split_samples
from keras_eff.export.held_out import warn_of_few_samples


def rows(count):
    return [np.arange(count), np.arange(count) * 10.0]


def test_a_quarter_is_held_out_of_the_ranges_and_judged():
    split = split_samples(rows(100), finds_ranges=True)
    fitted, judged = split.fitted[0], split.judged[0]
    assert split.is_held_out
    assert (len(fitted), len(judged)) == (75, 25)
    assert sorted([*fitted, *judged]) == list(range(100))
    assert sorted(split.compared[0]) == list(range(100))
    for part in (split.fitted, split.judged, split.compared):
        np.testing.assert_array_equal(part[1], part[0] * 10.0)


def test_what_is_held_out_has_no_period():
    judged = split_samples(rows(400), finds_ranges=True).judged[0]
    for period in (2, 4, 8, 10):
        assert len(set(judged % period)) == period


@pytest.mark.parametrize("count, finds_ranges", [(31, True), (100, False)])
def test_few_samples_and_those_without_ranges_stay_together(
    count, finds_ranges
):
    split = split_samples(rows(count), finds_ranges)
    assert not split.is_held_out
    for part in (split.fitted, split.judged, split.compared):
        np.testing.assert_array_equal(part[0], np.arange(count))


@pytest.mark.parametrize("finds_ranges", [True, False])
@pytest.mark.parametrize("count", [600, 5000])
def test_at_most_256_are_compared(count, finds_ranges):
    split = split_samples(rows(count), finds_ranges)
    assert len(split.judged[0]) <= len(split.compared[0]) <= 256
    assert len(split.judged[0]) >= 64
    assert len(set(split.compared[0])) == len(split.compared[0])
    assert not finds_ranges or not set(split.judged[0]) & set(split.fitted[0])


def test_few_samples_are_told(caplog):
    warn_of_few_samples(split_samples([np.arange(31.0)], finds_ranges=True))
    assert "ranges are taken from 31" in caplog.text
    caplog.clear()
    warn_of_few_samples(split_samples([np.arange(32.0)], finds_ranges=True))
    assert not caplog.text
