import keras
import numpy as np
import pytest

from keras_eff.callbacks import PruningScheduler
from keras_eff.ops import pruning
from keras_eff.pruning import mask_update
from keras_eff.pruning.prunable import prunables
from keras_eff.schedules import ConstantSparsity
from keras_eff.schedules import PolynomialDecay

HALF = ConstantSparsity(0.5)
RISING = PolynomialDecay(0.0, 0.75, 1, 12)
REGROW = ["gradient", "momentum", "random"]


class Killed(Exception):
    pass


class Killer(keras.callbacks.Callback):
    """Raises in the middle of an epoch, once."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_begin(self, batch, logs=None):
        if self.model.optimizer.iterations == self.step:
            self.step = -1
            raise Killed


def scheduler(tiny, regrow, *arguments, **options):
    data = (tiny.x, tiny.y)
    return PruningScheduler(*arguments, regrow=regrow, dataset=data, **options)


def masks_of(model):
    return [p.mask for p in prunables(model)]


def assert_equal(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_budget_for_each_mask(tiny):
    masks = masks_of(tiny.mlp())
    found = mask_update.budgets(masks, "layer", 0.5)
    assert found == [([masks[0]], 0.5), ([masks[1]], 0.5)]


def test_one_budget_for_all(tiny):
    masks = masks_of(tiny.mlp())
    assert mask_update.budgets(masks, "global", 0.5) == [(masks, 0.5)]


def test_budgets_by_erdos_renyi_kernel(tiny):
    masks = masks_of(tiny.mlp())
    shares = pruning.erk_sparsities([(6, 8), (8, 3)], 0.5)
    found = mask_update.budgets(masks, "erk", 0.5)
    assert found == [([masks[0]], shares[0]), ([masks[1]], shares[1])]


def test_blocks_are_exchanged_as_a_whole(tiny):
    (mask,) = masks = masks_of(tiny.linear(block_shape=(3, 1)))
    saliency = np.repeat(np.float32([[6, 5, 4], [3, 2, 1]]), 3, axis=0)
    mask_update.update(masks, {mask: saliency}, 0.5, {}, 0.0)
    assert mask.kept_units.tolist() == [[True] * 3, [False] * 3]
    # The last has the highest mean, and takes the place of the least salient.
    promise = np.zeros((6, 3))
    promise[3:, 2] = [0, 0, 9]
    mask_update.update(masks, {mask: saliency}, 0.5, {mask: promise}, 0.34)
    expected = [[True, True, False], [False, False, True]]
    assert mask.kept_units.tolist() == expected


@pytest.mark.parametrize("regrow", REGROW)
@pytest.mark.parametrize("distribution", ["uniform", "global"])
def test_regrowth_keeps_the_total_and_weights_come_back_as_0(
    tiny, regrow, distribution
):
    model = tiny.mlp(keras.optimizers.SGD(0.1, momentum=0.9))
    late = ConstantSparsity(0.5, 2)
    spy = tiny.fit(
        model,
        scheduler(tiny, regrow, late, 2, distribution=distribution),
        epochs=4,
    )
    assert spy.history["sparsity"] == [0.5] * 4
    num_back = 0
    for step in range(2, 16):
        for old, new, kernel in zip(
            spy.masks[step - 1], spy.masks[step], spy.kernels[step], strict=True
        ):
            is_back = new & ~old
            num_back += is_back.sum()
            assert (kernel[is_back] == 0).all()
            if distribution == "uniform":
                assert new.sum() == old.sum()
    assert num_back > 5


def test_the_largest_dense_gradients_come_back(tiny):
    model = tiny.linear(keras.optimizers.SGD(0.0))
    (kernel,) = tiny.kernels(model)
    spy = tiny.fit(model, scheduler(tiny, "gradient", HALF, 1), epochs=2)
    order = np.argsort(np.abs(kernel).ravel())
    # Before the first step: half of the weights, none exchanged.
    kept = np.ones(18, bool)
    kept[order[:9]] = False
    seen = np.where(kept.reshape(6, 3), kernel, 0)
    # At the first: 0.3 of nine, by a little less for the half cosine.
    share = 0.15 * (1 + np.cos(np.pi / 6))
    count = round(share * 9)
    kept[[i for i in order if kept[i]][:count]] = False
    gradient = np.abs(tiny.gradient_by_row(seen).mean(0)).ravel()
    candidates = np.flatnonzero(~kept)
    kept[candidates[np.argsort(-gradient[candidates])[:count]]] = True
    assert count == 3
    np.testing.assert_array_equal(spy.masks[0][0].ravel(), kept)


def test_the_largest_mean_gradients_come_back(tiny):
    model = tiny.linear(keras.optimizers.Adam(0.0, beta_1=0.5))
    (kernel,) = tiny.kernels(model)
    spy = tiny.fit(
        model, scheduler(tiny, "momentum", HALF, 1), batch_size=32, epochs=4
    )
    before = np.abs(kernel) >= np.sort(np.abs(kernel).ravel())[9]
    # The optimizer keeps the gradients of pruned weights too.
    seen = np.where(before, kernel, 0)
    gradient = np.abs(tiny.gradient_by_row(seen).mean(0)).ravel()
    share = 0.15 * (1 + np.cos(np.pi / 3))
    count = round(share * 9)
    kept = before.ravel().copy()
    order = np.argsort(np.abs(kernel).ravel())
    kept[[i for i in order if kept[i]][:count]] = False
    candidates = np.flatnonzero(~kept)
    kept[candidates[np.argsort(-gradient[candidates])[:count]]] = True
    assert count == 2
    np.testing.assert_array_equal(spy.masks[0][0].ravel(), kept)


def test_random_weights_come_back(tiny):
    model = tiny.linear(keras.optimizers.SGD(0.0))
    (kernel,) = tiny.kernels(model)
    spy = tiny.fit(model, scheduler(tiny, "random", HALF, 1), epochs=2)
    kept = np.abs(kernel) >= np.sort(np.abs(kernel).ravel())[9]
    noise = np.random.default_rng(1).random((6, 3), "float32")
    share = 0.15 * (1 + np.cos(np.pi / 6))
    expected = pruning.exchange([kept], [np.abs(kernel)], [noise], share)
    assert_equal(spy.masks[0], expected)


@pytest.mark.parametrize("regrow", REGROW)
def test_exchanges_end_at_three_quarters_of_the_training(tiny, regrow):
    model = tiny.mlp(keras.optimizers.SGD(0.1, momentum=0.9))
    late = ConstantSparsity(0.5, 1)
    spy = tiny.fit(model, scheduler(tiny, regrow, late, 1), epochs=4)
    changes = [
        any((a != b).any() for a, b in zip(old, new, strict=True))
        for old, new in zip(spy.masks, spy.masks[1:], strict=False)
    ]
    # Of steps 2 to 16: the exchange of step 12 is of nothing.
    assert all(changes[:4]) and not any(changes[10:])


def test_the_fraction_may_be_a_function_of_the_step(tiny):
    steps = []

    def fraction(step):
        steps.append(step)
        return 0.5 if step == 2 else 0.0

    model = tiny.mlp()
    pruning = scheduler(tiny, "random", HALF, 1, regrow_fraction=fraction)
    spy = tiny.fit(model, pruning)
    assert steps == [1, 2, 3, 4]
    assert (spy.masks[1][0] != spy.masks[0][0]).any()
    assert_equal(spy.masks[3], spy.masks[1])


@pytest.mark.parametrize("regrow", ["gradient", "random"])
def test_masks_grow_sparser_while_weights_are_exchanged(tiny, regrow):
    spy = tiny.fit(
        tiny.mlp("adam"), scheduler(tiny, regrow, RISING, 1), epochs=3
    )
    asked = [float(RISING(step)) for step in range(1, 13)]
    found = [logs["sparsity"] for logs in spy.logs]
    np.testing.assert_allclose(found, asked, atol=1 / 72 + 1e-6)


def test_only_momentum_needs_dense_gradients(tiny):
    model = tiny.mlp("adam")
    tiny.fit(model, scheduler(tiny, "momentum", ConstantSparsity(0.5, 1), 2))
    assert all(mask.has_dense_gradient for mask in masks_of(model))
    spy = tiny.fit(model, PruningScheduler(HALF, 100), epochs=4)
    assert not any(mask.has_dense_gradient for mask in masks_of(model))
    assert_equal(spy.masks[0], spy.masks[-1])


@pytest.mark.parametrize("regrow", [None, *REGROW])
def test_a_run_that_was_killed_ends_as_one_that_was_not(tiny, regrow, tmp_path):
    def run(name, *others):
        keras.utils.set_random_seed(0)
        model = tiny.mlp(keras.optimizers.Adam(0.05))
        backup = keras.callbacks.BackupAndRestore(tmp_path / name)
        callbacks = [scheduler(tiny, regrow, RISING, 3), backup, *others]
        try:
            tiny.fit(model, *callbacks, epochs=4)
        except Killed:
            keras.utils.set_random_seed(1)
            model = tiny.mlp(keras.optimizers.Adam(0.05))
            spy = tiny.fit(model, *callbacks, epochs=4)
            assert len(spy.logs) == 12
        return model

    whole, killed = run("whole"), run("killed", Killer(6))
    assert_equal(tiny.masks(killed), tiny.masks(whole))
    assert_equal(tiny.kernels(killed), tiny.kernels(whole))


@pytest.mark.parametrize("regrow", [None, *REGROW])
def test_replicas_have_the_same_masks(on_two_replicas, regrow):
    found = on_two_replicas[str(regrow)]
    assert found["sparsity"][-1] == 0.5
    for masks, kernels in zip(found["masks"], found["kernels"], strict=True):
        assert masks[0] == masks[1]
        assert kernels[0] == kernels[1]
        hidden = np.array(masks[0]) == 0
        assert (np.array(kernels[0])[hidden] == 0).all()
    assert [masks[0] for masks in found["masks"]] == found["masks_alone"]
