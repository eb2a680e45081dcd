import itertools

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from keras_eff.tuning.hypervolume import hypervolume


def by_inclusion_and_exclusion(costs, reference):
    """The volume of a union of boxes, from all their intersections."""
    volume = 0.0
    for size in range(1, len(costs) + 1):
        for chosen in itertools.combinations(costs, size):
            edges = np.maximum(reference - np.max(chosen, axis=0), 0.0)
            volume -= (-1) ** size * np.prod(edges)
    return volume


@pytest.mark.parametrize(
    ("costs", "reference", "volume"),
    [
        ([[1.0]], [3.0], 2.0),
        ([[1.0, 2.0], [2.0, 1.0]], [3.0, 3.0], 3.0),
        # Two boxes of 4 that share one of 1 * 2 * 1.
        ([[1.0, 1.0, 2.0], [2.0, 1.0, 1.0]], [3.0, 3.0, 3.0], 6.0),
        ([[0.0] * 4], [2.0] * 4, 16.0),
    ],
    ids=["1 cost", "2 costs", "3 costs", "4 costs"],
)
def test_volumes_by_hand(costs, reference, volume):
    assert hypervolume(np.array(costs), np.array(reference)) == volume


@hypothesis.settings(derandomize=True, deadline=None, max_examples=100)
@hypothesis.given(strategies.data())
def test_it_is_the_volume_of_the_union_of_boxes(data):
    shape = (
        data.draw(strategies.integers(0, 6)),
        data.draw(strategies.integers(1, 4)),
    )
    # Few values: ties, equal points, points at and beyond the reference.
    values = strategies.integers(0, 4)
    size = shape[0] * shape[1]
    drawn = data.draw(strategies.lists(values, min_size=size, max_size=size))
    costs = np.reshape(drawn, shape).astype(float)
    reference = np.full(shape[1], 3.0)
    expected = by_inclusion_and_exclusion(costs, reference)
    assert hypervolume(costs, reference) == pytest.approx(expected)


@pytest.mark.parametrize("dimensions", [2, 3, 5])
def test_it_agrees_with_monte_carlo(dimensions):
    generator = np.random.default_rng(0)
    costs = generator.random((12, dimensions))
    points = generator.random((20_000, dimensions))
    worse = (points[:, None] >= costs).all(axis=2).any(axis=1)
    volume = hypervolume(costs, np.ones(dimensions))
    # Four standard deviations of a share of 20,000 points.
    assert volume == pytest.approx(worse.mean(), abs=0.015)


def test_a_point_that_is_not_better_adds_nothing():
    inside, reference = np.array([[1.0, 1.0]]), np.array([2.0, 2.0])
    outside = np.array([[0.0, 2.0], [3.0, 0.0], [1.0, 1.0]])
    assert hypervolume(outside, reference) == hypervolume(inside, reference)
    assert hypervolume(outside[:2], reference) == 0.0
