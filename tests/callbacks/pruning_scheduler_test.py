import copy

import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.callbacks import PruningScheduler
from keras_eff.layers import PrunableDense
from keras_eff.ops import pruning
from keras_eff.pruning.prunable import prunables
from keras_eff.schedules import ConstantSparsity
from keras_eff.schedules import PolynomialDecay

HALF = ConstantSparsity(0.5)
RISING = PolynomialDecay(0.0, 0.8, 1, 8)
SIZES = (48, 24)


def share(masks):
    return 1 - np.mean(np.concatenate([mask.ravel() for mask in masks]))


def assert_equal(first, second):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def assert_hidden_is_zero(kernels, masks):
    for kernel, mask in zip(kernels, masks, strict=True):
        assert (kernel[~mask] == 0).all()


def test_masks_follow_the_schedule_every_few_steps(tiny):
    spy = tiny.fit(tiny.mlp(), PruningScheduler(RISING, 3), epochs=3)
    for step, masks in enumerate(spy.masks, start=1):
        asked = RISING(step // 3 * 3)
        gone = [int(np.sum(~mask)) for mask in masks]
        assert gone == [int(asked * size + 0.5) for size in SIZES]
        assert spy.logs[step - 1]["sparsity"] == pytest.approx(share(masks))
    for before, after in zip(spy.masks, spy.masks[1:], strict=False):
        for a, b in zip(after, before, strict=True):
            assert not (a & ~b).any()


def test_the_weights_of_least_magnitude_go(tiny):
    spy = tiny.fit(tiny.mlp(), PruningScheduler(ConstantSparsity(0.5, 2), 2))
    # Masked at the end of the batch: kept weights are as they were then.
    for kernel, mask in zip(spy.kernels[1], spy.masks[1], strict=True):
        assert np.abs(kernel[mask]).min() > 0 and (kernel[~mask] == 0).all()
    for kernel, mask in zip(spy.kernels[0], spy.masks[1], strict=True):
        assert np.abs(kernel[~mask]).max() < np.abs(kernel[mask]).min() + 0.05


def test_sparsity_is_in_the_history_of_each_epoch(tiny):
    pruning_scheduler = PruningScheduler(RISING, 4)
    spy = tiny.fit(tiny.mlp(), pruning_scheduler, epochs=2)
    expected = [share(spy.masks[3]), share(spy.masks[7])]
    assert spy.history["sparsity"] == pytest.approx(expected)
    assert expected[1] == pytest.approx(0.8, abs=0.02)


def test_stored_weights_are_zero_after_each_batch(tiny):
    # Adam moves what is hidden, by the momentum from before it was.
    schedule = ConstantSparsity(0.5, begin_step=2)
    model = tiny.mlp(keras.optimizers.Adam(0.1))
    spy = tiny.fit(model, PruningScheduler(schedule, 2), epochs=2)
    for kernels, masks in zip(spy.kernels, spy.masks, strict=True):
        assert_hidden_is_zero(kernels, masks)
    for kernels in (*spy.after_epochs, tiny.kernels(model)):
        assert_hidden_is_zero(kernels, tiny.masks(model))


def test_before_the_schedule_begins_training_is_as_without(tiny):
    late = PruningScheduler(ConstantSparsity(0.5, 4), 1)
    models = []
    for callbacks in ([late], []):
        keras.utils.set_random_seed(0)
        models.append(tiny.fit(tiny.mlp("adam"), *callbacks))
    pruned, plain = models
    assert_equal(pruned.kernels[2], plain.kernels[2])
    assert pruned.logs[2]["sparsity"] == 0.0
    assert pruned.logs[3]["sparsity"] == 0.5


def test_the_schedule_of_a_layer_comes_first(tiny):
    model = tiny.mlp(schedules=(ConstantSparsity(0.25), None))
    tiny.fit(model, PruningScheduler(HALF, 2))
    assert [share([mask]) for mask in tiny.masks(model)] == [0.25, 0.5]
    model = tiny.mlp(schedules=(ConstantSparsity(0.25), HALF))
    tiny.fit(model, PruningScheduler(interval=2))
    assert [share([mask]) for mask in tiny.masks(model)] == [0.25, 0.5]


def test_a_schedule_may_be_a_function(tiny):
    model = tiny.mlp()
    PruningScheduler(lambda step: 0.1 * step).apply(model, step=5)
    assert [share([mask]) for mask in tiny.masks(model)] == [0.5, 0.5]


@pytest.mark.parametrize(
    "optimizer, options",
    [
        (keras.optimizers.Adam, {"jit_compile": True}),
        (keras.optimizers.Adam, {"run_eagerly": True}),
        (keras.optimizers.Adam, {"steps_per_execution": 3}),
    ],
    ids=str,
)
def test_however_the_step_is_compiled(tiny, optimizer, options):
    model = tiny.mlp(optimizer(0.1), **options)
    tiny.fit(model, PruningScheduler(RISING, 2), epochs=3)
    assert share(tiny.masks(model)) == pytest.approx(0.8, abs=0.02)
    assert_hidden_is_zero(tiny.kernels(model), tiny.masks(model))


def accumulating():
    return keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)


def test_the_end_is_that_of_the_optimizer(tiny, unfinished):
    schedule = PolynomialDecay(0.0, 0.8, 0, 4)
    with unfinished() as messages:
        tiny.fit(tiny.mlp(accumulating()), PruningScheduler(schedule, 1))
    assert "training ends at step 2 " in messages[0]


def test_the_step_is_that_of_the_optimizer(tiny):
    schedule = PolynomialDecay(0.0, 0.8, 0, 4)
    model = tiny.mlp(accumulating())
    spy = tiny.fit(model, PruningScheduler(schedule, 1), epochs=2)
    expected = [schedule(batches // 2) for batches in range(1, 9)]
    sparsities = [logs["sparsity"] for logs in spy.logs]
    np.testing.assert_allclose(sparsities, expected, atol=0.015)


def test_mixed_precision(tiny):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = tiny.mlp("adam")
    finally:
        keras.config.set_dtype_policy("float32")
    tiny.fit(model, PruningScheduler(RISING, 2), epochs=2)
    assert share(tiny.masks(model)) == pytest.approx(0.8, abs=0.02)
    assert_hidden_is_zero(tiny.kernels(model), tiny.masks(model))


def test_a_layer_has_its_share(tiny):
    model = tiny.mlp()
    kernels = tiny.kernels(model)
    PruningScheduler(HALF).apply(model)
    for kernel, mask in zip(kernels, tiny.masks(model), strict=True):
        assert share([mask]) == 0.5
        assert np.abs(kernel[~mask]).max() < np.abs(kernel[mask]).min()


def test_globally_all_layers_share_a_budget(tiny):
    model = tiny.mlp()
    first, second = tiny.kernels(model)
    model.layers[0].kernel.assign(first * 3)
    kernels = [np.abs(k) for k in tiny.kernels(model)]
    PruningScheduler(HALF, distribution="global").apply(model)
    masks = tiny.masks(model)
    gone = np.concatenate([k[~m] for k, m in zip(kernels, masks, strict=True)])
    kept = np.concatenate([k[m] for k, m in zip(kernels, masks, strict=True)])
    assert len(gone) == len(kept) == 36 and gone.max() < kept.min()
    assert share(masks[:1]) < share(masks[1:])


def test_globally_layers_of_another_schedule_have_their_own_budget(tiny):
    model = tiny.mlp(schedules=(ConstantSparsity(0.25), None))
    PruningScheduler(HALF, distribution="global").apply(model)
    assert [share([mask]) for mask in tiny.masks(model)] == [0.25, 0.5]


def test_by_erdos_renyi_kernel_larger_layers_have_more(tiny):
    model = tiny.mlp()
    PruningScheduler(HALF, distribution="erk").apply(model)
    masks = tiny.masks(model)
    asked = pruning.erk_sparsities([(6, 8), (8, 3)], 0.5)
    assert asked[0] > asked[1]
    for mask, expected in zip(masks, asked, strict=True):
        assert share([mask]) == pytest.approx(expected, abs=0.5 / mask.size)
    assert share(masks) == pytest.approx(0.5, abs=1 / 72)


def test_apply_reads_the_schedule_at_a_step(tiny):
    model = tiny.mlp()
    pruning_scheduler = PruningScheduler(PolynomialDecay(0.0, 0.5, 0, 2))
    pruning_scheduler.apply(model)
    assert share(tiny.masks(model)) == 0.0
    pruning_scheduler.apply(model, step=2)
    assert share(tiny.masks(model)) == 0.5
    assert_hidden_is_zero(tiny.kernels(model), tiny.masks(model))


def test_apply_needs_no_compiled_model(tiny):
    model = keras.Sequential([keras.Input((6,)), PrunableDense(8)])
    PruningScheduler(HALF).apply(model)
    assert share(tiny.masks(model)) == 0.5


def test_nested_and_shared_layers_are_pruned_once(tiny):
    shared = PrunableDense(6)
    inner = keras.Sequential([keras.Input((6,)), shared, PrunableDense(6)])
    inputs = keras.Input((6,))
    model = keras.Model(inputs, PrunableDense(3)(inner(shared(inputs))))
    model.compile("sgd", "mse", jit_compile=False)
    spy = tiny.fit(model, PruningScheduler(HALF, 2))
    assert len(prunables(model)) == 3
    assert spy.history["sparsity"] == [0.5]
    assert_hidden_is_zero(tiny.kernels(model), tiny.masks(model))


def test_a_second_fit_goes_on_where_the_first_stopped(tiny, unfinished):
    models = []
    for epochs in ([1, 2], [3]):
        keras.utils.set_random_seed(0)
        models.append(model := tiny.mlp("adam"))
        pruning_scheduler = PruningScheduler(lambda step: step / 16, 2)
        with unfinished():
            spies = [
                tiny.fit(model, pruning_scheduler, epochs=n) for n in epochs
            ]
    assert [logs["sparsity"] for logs in spies[0].logs][-1] == 0.75
    assert_equal(*map(tiny.masks, models))
    assert_equal(*map(tiny.kernels, models))


def test_a_trained_model_is_pruned_before_the_first_step(tiny):
    model = tiny.mlp()
    tiny.fit(model)
    spy = tiny.fit(model, PruningScheduler(HALF, 100))
    assert spy.logs[0]["sparsity"] == 0.5


def test_a_saved_model_keeps_masks_and_zeros(tiny, tmp_path):
    model = tiny.mlp("adam", schedules=(RISING, RISING))
    tiny.fit(model, PruningScheduler(interval=2), epochs=2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_equal(tiny.masks(loaded), tiny.masks(model))
    assert_equal(tiny.kernels(loaded), tiny.kernels(model))
    outputs = ops.convert_to_numpy(loaded(tiny.x))
    np.testing.assert_array_equal(outputs, ops.convert_to_numpy(model(tiny.x)))
    spy = tiny.fit(loaded, PruningScheduler(interval=2))
    assert_equal(spy.masks[-1], tiny.masks(model))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"interval": 0}, "`interval` must .*interval=0"),
        ({"interval": 1.5}, "`interval` must .*interval=1.5"),
        ({"saliency": "size"}, "`saliency` must be one of .*saliency='size'"),
        ({"distribution": "layer"}, '`distrib.*"uniform", "global", "erk"'),
        ({"regrow": "all"}, "`regrow` must be one of None, .*regrow='all'"),
        ({"regrow_fraction": 1.0}, "`regrow_fraction` .*regrow_fraction=1.0"),
        ({"regrow_fraction": None}, "`regrow_fraction` .*=None"),
        ({"saliency": "taylor"}, "need argument `dataset`.*saliency='taylor'"),
        ({"saliency": "obd"}, "need argument `dataset`.*saliency='obd'"),
        ({"regrow": "gradient"}, "need argument `dataset`.*regrow='gradient'"),
        (
            {"saliency": "obd", "dataset": (np.ones(3), np.ones(4))},
            "arrays of one length.*3, 4",
        ),
        (
            {"saliency": "obd", "dataset": np.ones(3)},
            "need argument `dataset`.*ndarray",
        ),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PruningScheduler(HALF, **arguments)


def test_a_schedule_is_a_function():
    with pytest.raises(TypeError, match="`schedule` .*schedule=0.5"):
        PruningScheduler(0.5)


def test_copies_share_the_data_and_prune_apart(tiny):
    data = (tiny.x, tiny.y)
    pruning = PruningScheduler(HALF, 2, saliency="taylor", dataset=data)
    twin = copy.deepcopy(pruning)
    assert twin.dataset[0] is tiny.x
    first, second = (tiny.fit(tiny.mlp(), c) for c in (pruning, twin))
    assert share(first.masks[-1]) == share(second.masks[-1]) > 0
