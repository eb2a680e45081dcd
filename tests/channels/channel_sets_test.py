import numpy as np

from keras_eff.channels.channel_sets import ChannelSets


def test_channels_that_are_tied_have_one_root():
    sets = ChannelSets()
    one, other, free = sets.new(3), sets.new(3), sets.new(1)
    sets.unite(one, other)
    np.testing.assert_array_equal(sets.roots(one), sets.roots(other))
    assert len(np.unique(sets.roots(np.arange(7)))) == 4
    assert sets.root(free[0]) == free[0]


def test_ties_are_seen_after_roots_were_asked_for():
    sets = ChannelSets()
    one, other = sets.new(2), sets.new(2)
    assert len(np.unique(sets.roots(np.arange(4)))) == 4
    sets.unite(one, other)
    assert len(np.unique(sets.roots(np.arange(4)))) == 2


def test_a_tie_carries_the_first_reason_either_way():
    sets = ChannelSets()
    one, other = sets.new(2), sets.new(2)
    sets.freeze(other[:1], "first")
    sets.unite(one, other)
    sets.freeze(one[:1], "second")
    first, second = one.tolist()
    assert sets.reasons(one) == {first: "first", second: None}
    assert sets.reasons(other) == sets.reasons(one)
