import math

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from keras_eff.ops import pruning

SHAPES = st.lists(st.integers(1, 9), min_size=2, max_size=4).map(tuple)
SEEDS = st.integers(0, 2**32 - 1)
SPARSITIES = st.floats(0, 0.999)

examples = hypothesis.settings(deadline=None, max_examples=60, derandomize=True)


@st.composite
def weights(draw, max_count=4):
    """Lists of arrays, each with a block that may not divide its shape."""
    shapes = draw(st.lists(SHAPES, min_size=1, max_size=max_count))
    generator = np.random.default_rng(draw(SEEDS))
    few = draw(st.booleans())
    found = []
    for shape in shapes:
        values = np.abs(generator.normal(size=shape)).astype("float32")
        # Few values: many are equal.
        values = np.floor(values * 2) if few else values
        found.append((values, tuple(draw(st.integers(1, 10)) for _ in shape)))
    return found


def as_units(found):
    scores = [pruning.block_means(values, block) for values, block in found]
    sizes = [pruning.block_sizes(v.shape, block) for v, block in found]
    return scores, sizes


def blocks(shape, block):
    """The index of each block, and its slices, one by one."""
    steps = np.array(block)
    for index in np.ndindex(*-(-np.array(shape) // steps)):
        ends = zip(index * steps, (index + np.array(1)) * steps, strict=True)
        yield index, tuple(slice(*pair) for pair in ends)


@examples
@hypothesis.given(weights(max_count=1))
def test_blocks_equal_a_loop_over_slices(found):
    ((values, block),) = found
    means = pruning.block_means(values, block)
    sizes = pruning.block_sizes(values.shape, block)
    mask = pruning.spread(means > 0.7, block, values.shape)
    assert mask.shape == values.shape
    assert means.shape == sizes.shape
    for index, part in blocks(values.shape, block):
        assert sizes[index] == values[part].size
        np.testing.assert_allclose(means[index], values[part].mean(), rtol=1e-5)
        assert (mask[part] == (means[index] > 0.7)).all()


@examples
@hypothesis.given(weights(), SPARSITIES)
def test_single_weights_are_counted_exactly(found, sparsity):
    scores = [values for values, _ in found]
    sizes = [np.ones(values.shape, int) for values in scores]
    kept = pruning.keep(scores, sizes, sparsity)
    total = sum(values.size for values in scores)
    gone = total - sum(mask.sum() for mask in kept)
    # The best of each weight stays.
    assert gone == min(math.floor(sparsity * total + 0.5), total - len(kept))
    assert all(mask.dtype == bool and mask.any() for mask in kept)


@examples
@hypothesis.given(weights(), SPARSITIES)
def test_no_number_of_lowest_units_comes_nearer(found, sparsity):
    scores, sizes = as_units(found)
    kept = pruning.keep(scores, sizes, sparsity)
    total = sum(size.sum() for size in sizes)
    gone = sum(s[~k].sum() for s, k in zip(sizes, kept, strict=True))
    order, best = [], []
    for score, size in zip(scores, sizes, strict=True):
        best.append(int(np.argmax(score)))
        order += [
            (score.flat[i], len(best), i, size.flat[i])
            for i in range(score.size)
            if i != best[-1]
        ]
    reachable = np.cumsum([0] + [entry[-1] for entry in sorted(order)])
    nearest = np.abs(reachable - sparsity * total).min()
    assert abs(gone - sparsity * total) <= nearest + 1e-6
    assert all(k.flat[i] for k, i in zip(kept, best, strict=True))


@examples
@hypothesis.given(weights(), SPARSITIES)
def test_what_goes_scores_no_higher_than_what_stays(found, sparsity):
    scores, sizes = as_units(found)
    kept = pruning.keep(scores, sizes, sparsity)
    gone = [s[~k] for s, k in zip(scores, kept, strict=True)]
    stays = [
        np.delete(s.ravel(), np.argmax(s))[np.delete(k.ravel(), np.argmax(s))]
        for s, k in zip(scores, kept, strict=True)
    ]
    gone, stays = np.concatenate(gone), np.concatenate(stays)
    if len(gone) and len(stays):
        assert gone.max() <= stays.min()


@examples
@hypothesis.given(weights(), SPARSITIES, SPARSITIES)
def test_masks_are_nested_when_the_sparsity_rises(found, first, second):
    scores, sizes = as_units(found)
    less = pruning.keep(scores, sizes, min(first, second))
    more = pruning.keep(scores, sizes, max(first, second))
    for a, b in zip(less, more, strict=True):
        assert not (b & ~a).any()


@examples
@hypothesis.given(weights(), SPARSITIES, SPARSITIES)
def test_pruned_units_go_first_the_next_time(found, first, second):
    scores, sizes = as_units(found)
    before = pruning.keep(scores, sizes, min(first, second))
    generator = np.random.default_rng(0)
    others = [np.abs(generator.normal(size=s.shape)) for s in scores]
    ranked = [
        pruning.with_pruned_last(np.floor(o), mask)
        for o, mask in zip(others, before, strict=True)
    ]
    after = pruning.keep(ranked, sizes, max(first, second))
    gone = [
        sum(s[~k].sum() for s, k in zip(sizes, masks, strict=True))
        for masks in (before, after)
    ]
    if gone[1] > gone[0]:
        for a, b in zip(before, after, strict=True):
            assert not (b & ~a).any()


@examples
@hypothesis.given(SHAPES, SEEDS, st.integers(1, 6), st.integers(1, 6))
def test_the_best_n_of_each_m_neighbours_are_protected(shape, seed, n, more):
    m = n + more
    scores = np.random.default_rng(seed).random(shape)
    protected = pruning.protect_n_of_m(scores, n, m)
    rows = np.moveaxis(scores, -2, 0)
    found = np.moveaxis(protected, -2, 0)
    for start in range(0, len(rows), m):
        group, marked = rows[start : start + m], found[start : start + m]
        count = np.isinf(marked).sum(axis=0)
        assert (count == min(n, len(group))).all()
        lowest = np.where(np.isinf(marked), group, np.inf).min(axis=0)
        highest = np.where(np.isinf(marked), -np.inf, group).max(axis=0)
        assert (highest < lowest).all()
    is_free = ~np.isinf(protected)
    np.testing.assert_array_equal(protected[is_free], scores[is_free])


@examples
@hypothesis.given(SHAPES, SEEDS, SPARSITIES, st.integers(1, 3))
def test_n_of_m_stay_in_every_group_whatever_the_sparsity(
    shape, seed, sparsity, n
):
    m = 4
    scores = np.random.default_rng(seed).random(shape)
    protected = pruning.protect_n_of_m(scores, n, m)
    ones = np.ones(shape, int)
    (kept,) = pruning.keep([protected], [ones], sparsity)
    rows = np.moveaxis(kept, -2, 0)
    for start in range(0, len(rows), m):
        group = rows[start : start + m]
        assert (group.sum(axis=0) >= min(n, len(group))).all()
    removable = int(np.sum(~np.isinf(protected)))
    if removable < math.floor(sparsity * kept.size + 0.5):
        assert (~kept).sum() in (removable, removable - 1)


def test_two_of_four_is_exact():
    scores = np.float32([[4, 1], [3, 2], [2, 3], [1, 4]] * 3)
    protected = pruning.protect_n_of_m(scores, 2, 4)
    (kept,) = pruning.keep([protected], [np.ones(scores.shape, int)], 0.5)
    expected = [[1, 0], [1, 0], [0, 1], [0, 1]] * 3
    np.testing.assert_array_equal(kept, np.array(expected, bool))


def test_of_equal_scores_the_first_go():
    scores = [np.ones((2, 3)), np.ones((1, 2))]
    sizes = [np.ones(s.shape, int) for s in scores]
    kept = pruning.keep(scores, sizes, 0.5)
    # The first of each weight stays, as its best.
    assert kept[0].tolist() == [[True, False, False], [False, False, True]]
    assert kept[1].tolist() == [[True, True]]


def test_a_weight_of_zeros_is_pruned_all_the_same():
    (kept,) = pruning.keep([np.zeros((2, 5))], [np.ones((2, 5), int)], 0.5)
    assert kept.sum() == 5


def test_pruned_last_is_below_a_kept_zero():
    saliency = np.zeros((2, 2), "float32")
    mask = np.array([[True, False], [False, True]])
    ranked = pruning.with_pruned_last(saliency, mask)
    assert ranked.dtype == "float32"
    assert ((ranked < 0) == ~mask).all()


def test_arguments_stay_as_they_were():
    scores, criteria = np.random.default_rng(0).random((2, 3, 4))
    mask = scores > 0.5
    before = scores.copy(), criteria.copy(), mask.copy()
    ones = np.ones((3, 4), int)
    pruning.protect_n_of_m(scores, 1, 2)
    pruning.keep([scores], [ones], 0.5)
    pruning.exchange([mask], [scores], [criteria], 0.5)
    for a, b in zip((scores, criteria, mask), before, strict=True):
        np.testing.assert_array_equal(a, b)


@examples
@hypothesis.given(weights(), SPARSITIES, st.floats(0, 0.999), SEEDS)
def test_an_exchange_keeps_the_number_of_units(found, sparsity, fraction, seed):
    scores, sizes = as_units(found)
    kept = pruning.keep(scores, sizes, sparsity)
    generator = np.random.default_rng(seed)
    criteria = [generator.random(s.shape) for s in scores]
    after = pruning.exchange(kept, scores, criteria, fraction)
    total = sum(mask.sum() for mask in kept)
    assert sum(mask.sum() for mask in after) == total
    for mask, score in zip(after, scores, strict=True):
        assert mask.flat[np.argmax(score)]
    dropped = sum((a & ~b).sum() for a, b in zip(kept, after, strict=True))
    assert dropped <= math.floor(fraction * total + 0.5)


def test_an_exchange_drops_the_lowest_and_takes_the_highest_criterion():
    kept = [np.array([[True, True, True, True, False, False, False, False]])]
    scores = [np.array([[4.0, 3.0, 2.0, 1.0, -1.0, -1.0, -1.0, -1.0]])]
    criteria = [np.array([[9.0, 9.0, 9.0, 0.1, 0.5, 0.9, 0.7, 0.2]])]
    (after,) = pruning.exchange(kept, scores, criteria, 0.25)
    assert after.astype(int).tolist() == [[1, 1, 1, 0, 0, 1, 0, 0]]
    # One of those dropped has the highest criterion, and comes back.
    (after,) = pruning.exchange(kept, scores, criteria, 0.5)
    assert after.astype(int).tolist() == [[1, 1, 1, 0, 0, 1, 0, 0]]


def test_an_exchange_of_nothing_changes_nothing():
    kept = [np.array([[True, False, True]])]
    values = [np.ones((1, 3))]
    (after,) = pruning.exchange(kept, values, values, 0.0)
    assert after.tolist() == kept[0].tolist()


def erk_loop(shapes, sparsity):
    """Section 3 of RigL: weights that would exceed 1 turn dense, one round
    after another, and the rest share what is left."""
    dense = set()
    while True:
        room = (1 - sparsity) * sum(math.prod(shape) for shape in shapes)
        weight = 0.0
        for i, shape in enumerate(shapes):
            if i in dense:
                room -= math.prod(shape)
            else:
                weight += sum(shape)
        densities = [
            1.0 if i in dense else room / weight * sum(shape) / math.prod(shape)
            for i, shape in enumerate(shapes)
        ]
        over = {i for i, density in enumerate(densities) if density > 1.0}
        if not over:
            return [1.0 - density for density in densities]
        dense |= over


erk_shapes = st.lists(
    st.lists(st.integers(1, 40), min_size=2, max_size=4).map(tuple),
    min_size=1,
    max_size=6,
)


@examples
@hypothesis.given(erk_shapes, st.floats(0, 0.99))
def test_erk_shares_add_up_to_the_sparsity(shapes, sparsity):
    shares = pruning.erk_sparsities(shapes, sparsity)
    sizes = [math.prod(shape) for shape in shapes]
    gone = sum(s * size for s, size in zip(shares, sizes, strict=True))
    assert gone == pytest.approx(sparsity * sum(sizes), abs=1e-6)
    assert all(0 <= share < 1 for share in shares)


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.5, 0.9, 0.99])
def test_erk_equals_a_loop_over_the_formula(sparsity):
    shapes = [(3, 3, 3, 16), (3, 3, 16, 32), (1, 1, 32, 64), (64, 10), (2, 2)]
    expected = erk_loop(shapes, sparsity)
    shares = pruning.erk_sparsities(shapes, sparsity)
    np.testing.assert_allclose(shares, expected, atol=1e-12)


def test_erk_prunes_larger_weights_more():
    small, large = pruning.erk_sparsities([(4, 4), (40, 40)], 0.5)
    assert small == 0.0 and large > 0.5
    small, large = pruning.erk_sparsities([(4, 4), (40, 40)], 0.95)
    assert 0.0 < small < large
