import types

import numpy as np
import pytest

from keras_eff.channels import choice
from keras_eff.channels.choice import Limits
from keras_eff.channels.groups import ChannelGroup


def group(roots, num_frozen=0, places=()):
    return ChannelGroup(
        "a", ("a",), [], [], None, num_frozen, np.array(roots), list(places)
    )


@pytest.mark.parametrize(
    ("limits", "share", "count"),
    [
        (Limits(), 0.5, 5),
        (Limits(multiple_of=4), 0.5, 2),
        (Limits(min_channels=7), 0.5, 3),
        (Limits(multiple_of=16), 0.5, 0),
        (Limits(), 0.99, 8),
    ],
    ids=["share", "multiple", "minimum", "none", "frozen"],
)
def test_limits_say_how_many_go(limits, share, count):
    assert limits.count(group(range(8), num_frozen=2), share) == count


def test_the_least_of_each_layer_go():
    groups = [group([0, 1, 2, 3]), group([4, 5])]
    scores = [np.array([4.0, 1.0, 2.0, 3.0]), np.array([9.0, 8.0])]
    assert choice.by_layer(groups, scores, [0.5, 0.5], Limits()) == {1, 2, 5}


def test_the_least_of_all_go_with_a_global_scope():
    random = np.random.default_rng(0)
    groups = [group(range(0, 10)), group(range(10, 30))]
    scores = [random.uniform(size=10), random.uniform(size=20)]
    limits = Limits(max_layer_sparsity=0.99)
    found = choice.globally(groups, scores, 0.4, limits)
    assert found == set(np.argsort(np.concatenate(scores))[:12])


def test_no_group_loses_more_than_its_cap():
    groups = [group(range(0, 10)), group(range(10, 20))]
    scores = [np.arange(10.0), np.arange(10.0) + 100]
    limits = Limits(max_layer_sparsity=0.6)
    assert choice.globally(groups, scores, 0.5, limits) == set(range(6))


def test_equal_scores_do_not_make_more_go():
    groups = [group(range(0, 10)), group(range(10, 20))]
    scores = [np.ones(10), np.ones(10)]
    assert len(choice.globally(groups, scores, 0.1, Limits())) == 2


def test_no_layer_of_a_group_loses_all():
    small = types.SimpleNamespace(shape=(3, 2))
    places = [(small, 1, [[0], [1], [], []])]
    found = choice.by_layer(
        [group(range(4), places=places)], [np.arange(4.0)], [0.75], Limits()
    )
    assert found == {0, 2, 3}


def test_a_multiple_stays_also_where_a_layer_would_lose_all():
    small = types.SimpleNamespace(shape=(3, 2))
    places = [(small, 1, [[0], [1], *[[]] * 6])]
    scores = np.array([0.0, 1.0, 2.0, 3.0, 9.0, 9.0, 9.0, 9.0])
    groups = [group(range(8), places=places)]
    limits = Limits(multiple_of=4)
    assert len(choice.by_layer(groups, [scores], [0.5], limits)) == 4
    tight = [(small, 1, [[0], *[[]] * 4, [1], [], []])]
    places = [*tight, (types.SimpleNamespace(shape=(3, 5)), 1, tight[0][2])]
    groups = [group(range(8), num_frozen=1, places=tight)]
    assert len(choice.by_layer(groups, [scores], [0.7], limits)) == 5
    # One of the two stays: with it, five go, where six would.
    limits = Limits(multiple_of=3)
    assert len(choice.by_layer(groups, [scores], [0.7], limits)) == 6


@pytest.mark.parametrize("is_global", [True, False])
def test_what_is_worth_minus_infinity_goes_in_any_case(is_global):
    groups = [group(range(4)), group(range(4, 8))]
    scores = [np.array([-np.inf, 1, -np.inf, 2]), np.arange(4.0)]
    shares = 0.0 if is_global else [0.0, 0.0]
    choose = choice.globally if is_global else choice.by_layer
    assert choose(groups, scores, shares, Limits()) == {0, 2}
