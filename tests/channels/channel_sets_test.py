import numpy as np

from keras_eff.channels.channel_sets import ChannelSets


def test_channels_that_are_tied_have_one_root():
    ids = ChannelSets()
    one, other, free = ids.new(3), ids.new(3), ids.new(1)
    ids.unite(one, other)
    np.testing.assert_array_equal(ids.roots(one), ids.roots(other))
    assert len(np.unique(ids.roots(np.arange(7)))) == 4
    assert ids.root(free[0]) == free[0]


def test_ties_are_seen_after_roots_were_asked_for():
    ids = ChannelSets()
    one, other = ids.new(2), ids.new(2)
    assert len(np.unique(ids.roots(np.arange(4)))) == 4
    ids.unite(one, other)
    assert len(np.unique(ids.roots(np.arange(4)))) == 2


def test_a_tie_carries_the_first_reason_either_way():
    ids = ChannelSets()
    one, other = ids.new(2), ids.new(2)
    ids.freeze(other[:1], "first")
    ids.unite(one, other)
    ids.freeze(one[:1], "second")
    assert ids.reason(one[0]) == ids.reason(other[0]) == "first"
    assert ids.reason(one[1]) is None
