import numpy as np

from keras_eff.channels.labels import Labels


def test_channels_that_are_tied_have_one_root():
    labels = Labels()
    one, other, free = labels.new(3), labels.new(3), labels.new(1)
    labels.unite(one, other)
    np.testing.assert_array_equal(labels.roots(one), labels.roots(other))
    assert len(np.unique(labels.roots(np.arange(7)))) == 4
    assert labels.root(free[0]) == free[0]


def test_ties_are_seen_after_roots_were_asked_for():
    labels = Labels()
    one, other = labels.new(2), labels.new(2)
    assert len(np.unique(labels.roots(np.arange(4)))) == 4
    labels.unite(one, other)
    assert len(np.unique(labels.roots(np.arange(4)))) == 2


def test_a_tie_carries_the_first_reason_either_way():
    labels = Labels()
    one, other = labels.new(2), labels.new(2)
    labels.freeze(other[:1], "first")
    labels.unite(one, other)
    labels.freeze(one[:1], "second")
    assert labels.reason(one[0]) == labels.reason(other[0]) == "first"
    assert labels.reason(one[1]) is None
