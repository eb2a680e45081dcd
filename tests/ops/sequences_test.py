import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from keras import ops

from keras_eff.ops import sequences

X = np.arange(12.0).reshape(2, 3, 2).astype("float32")
BEFORE = -np.ones((2, 2, 2), "float32")


def test_steps_that_came_before_are_put_in_front():
    found = ops.convert_to_numpy(sequences.preceded(X, BEFORE, 2))
    np.testing.assert_array_equal(found, np.concatenate([BEFORE, X], 1))


def test_in_reverse_the_steps_before_are_those_behind_the_end():
    found = ops.convert_to_numpy(sequences.preceded(X, BEFORE, 2, reverse=True))
    np.testing.assert_array_equal(found, np.concatenate([X, BEFORE], 1))


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("reverse", [False, True])
def test_none_before_stands_for_zeros(count, reverse):
    zeros = np.zeros((2, count, 2), "float32")
    found = sequences.preceded(X, None, count, reverse)
    expected = sequences.preceded(X, zeros, count, reverse)
    assert tuple(found.shape) == (2, 3 + count, 2)
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (found, expected)))


@pytest.mark.parametrize("reverse, index", [(False, -1), (True, 0)])
def test_the_last_step_is_the_one_processed_last(reverse, index):
    found = ops.convert_to_numpy(sequences.last(ops.array(X), reverse))
    np.testing.assert_array_equal(found, X[:, index])


@pytest.mark.parametrize("reverse", [False, True])
def test_the_last_of_no_steps_is_zero(reverse):
    found = sequences.last(ops.zeros((2, 0, 3)), reverse)
    np.testing.assert_array_equal(ops.convert_to_numpy(found), np.zeros((2, 3)))


masks = st_numpy.arrays(
    bool,
    st.tuples(st.integers(0, 3), st.integers(0, 12)),
    elements=st.booleans(),
)


@hypothesis.settings(deadline=None, max_examples=50, derandomize=True)
@hypothesis.given(masks, st.booleans())
def test_each_row_has_the_last_step_that_is_not_masked(mask, reverse):
    found = ops.convert_to_numpy(sequences.is_last(mask, reverse))
    expected = np.zeros(mask.shape, bool)
    for row, places in zip(expected, map(np.flatnonzero, mask), strict=True):
        if len(places):
            row[places[0 if reverse else -1]] = True
    np.testing.assert_array_equal(found, expected)
