import warnings

import keras
import numpy as np
import pytest

from keras_eff.callbacks import PruningScheduler
from keras_eff.layers import PrunableDense
from keras_eff.pruning import pruning_plan
from keras_eff.schedules import ConstantSparsity
from keras_eff.schedules import PolynomialDecay

HALF = ConstantSparsity(0.5)


@pytest.fixture
def built(tiny):
    return tiny.linear()


def groups(tiny):
    """A pattern in groups of two, of which one stays."""
    return tiny.linear(pattern="1:2")


def test_layers_of_equal_schedules_are_one_pool(tiny):
    other = ConstantSparsity(0.25)
    model = tiny.mlp(schedules=(ConstantSparsity(0.5), None))
    assert [len(p) for p in pruning_plan.pools(model, HALF).values()] == [2]
    found = pruning_plan.pools(model, other)
    names = {s: [p.layer.name for p in found[s]] for s in found}
    assert names == {HALF: ["first"], other: ["second"]}


def test_sparsity_is_that_of_all_weights(tiny):
    model = tiny.mlp()
    PruningScheduler(HALF).apply(model)
    model.layers[0].transforms[0].set_units(np.ones((6, 8), bool))
    assert pruning_plan.sparsity(pruning_plan.pools(model, HALF)) == 12 / 72


def test_masks_are_behind_by_more_than_rounding(built):
    pools = pruning_plan.pools(built, PolynomialDecay(0.0, 0.9, 0, 10, 1))
    assert not pruning_plan.is_behind(pools, 0)
    assert pruning_plan.is_behind(pools, 1)
    built.layers[0].transforms[0].prune(0.5, np.ones((6, 3)))
    assert not pruning_plan.is_behind(pools, 5)
    assert not pruning_plan.is_behind(pools, 6)
    assert pruning_plan.is_behind(pools, 7)


@pytest.mark.parametrize("end, last", [(10, 8), (15, 12)])
def test_a_schedule_that_cannot_finish_is_told(tiny, unfinished, end, last):
    model = tiny.mlp()
    schedule = PolynomialDecay(0.0, 0.8, 0, 16, 1)
    with unfinished() as messages:
        pools = pruning_plan.pools(model, schedule)
        pruning_plan.check_end(pools, "layer", 4, end)
    assert messages == [
        f"{schedule} cannot finish: training ends at step {end} and its last "
        f"update, at step {last} with interval=4, prunes a share of "
        f"{0.8 * last / 16:.4g}, "
        "not 0.8: give a smaller `interval`, let the schedule end earlier, or "
        "train longer"
    ]


@pytest.mark.parametrize("end", [16, 19, None])
def test_a_schedule_that_finishes_is_not_warned_of(built, end):
    pools = pruning_plan.pools(built, PolynomialDecay(0.0, 0.8, 0, 16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pruning_plan.check_end(pools, "layer", 4, end)


def test_fit_warns_once(tiny, unfinished):
    schedule = PolynomialDecay(0.0, 0.8, 0, 16)
    with unfinished() as messages:
        tiny.fit(tiny.mlp(), PruningScheduler(schedule, 2), epochs=2)
    (message,) = messages
    assert "training ends at step 8 and" in message


def test_a_model_without_prunable_layers_is_refused(tiny):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse", jit_compile=False)
    message = "no prunable layer: .*`keras_eff.prune`. Received: model"
    with pytest.raises(ValueError, match=message):
        tiny.fit(model, PruningScheduler(HALF))


def test_a_layer_without_a_schedule_is_refused(tiny):
    model = tiny.mlp(schedules=(HALF, None))
    message = "Layer 'second' has no schedule: .*Received: schedule=None"
    with pytest.raises(ValueError, match=message):
        tiny.fit(model, PruningScheduler())


@pytest.mark.parametrize("distribution", ["uniform", "global", "erk"])
def test_a_pattern_that_cannot_reach_the_sparsity_is_refused(
    tiny, distribution
):
    # Before training, though the sparsity is low at first.
    schedule = PolynomialDecay(0.0, 0.6, 0, 4)
    message = "'1:2' prunes a share of at most 0.5: .*sparsity=0.6"
    with pytest.raises(ValueError, match=message):
        tiny.fit(
            groups(tiny),
            PruningScheduler(schedule, 2, distribution=distribution),
        )


@pytest.mark.parametrize("regrow", ["gradient", "momentum", "random"])
def test_groups_do_not_regrow(tiny, regrow):
    pruning = PruningScheduler(HALF, 2, regrow=regrow, dataset=(tiny.x, tiny.y))
    message = f"N:M pattern cannot .*regrow='{regrow}' with layers .'prunable"
    with pytest.raises(ValueError, match=message):
        tiny.fit(groups(tiny), pruning)


def batches_of_unknown_number(tiny):
    for start in range(0, 32, 8):
        yield tiny.x[start : start + 8], tiny.y[start : start + 8]


def test_regrowth_needs_to_know_the_number_of_steps(tiny, built):
    batches = batches_of_unknown_number(tiny)
    pruning = PruningScheduler(HALF, 2, regrow="random")
    message = "number of steps is not known: .*regrow_fraction=0.3"
    with pytest.raises(ValueError, match=message):
        built.fit(batches, verbose=0, shuffle=False, callbacks=[pruning])


def test_a_function_for_the_fraction_needs_not(tiny, built):
    batches = batches_of_unknown_number(tiny)
    steps = []
    pruning = PruningScheduler(
        HALF,
        2,
        regrow="random",
        regrow_fraction=lambda step: steps.append(step) or 0.3,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Your input ran out of data")
        built.fit(batches, verbose=0, shuffle=False, callbacks=[pruning])
    assert steps == [2, 4]


def test_the_fraction_falls_as_a_half_cosine():
    fraction = pruning_plan.regrowth({}, "random", 0.3, 8 / 0.75)
    expected = [0.15 * (1 + np.cos(np.pi * step / 8)) for step in range(9)]
    found = [fraction(step) for step in range(9)]
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert fraction(0) == 0.3 and fraction(8) == fraction(100) == 0.0
    assert pruning_plan.regrowth({}, "random", 0.3, 0)(1) == 0.0


def test_prunable_layers_may_be_of_any_depth():
    inner = keras.Sequential([keras.Input((6,)), PrunableDense(6)])
    model = keras.Sequential([keras.Input((6,)), inner, PrunableDense(3)])
    assert [len(p) for p in pruning_plan.pools(model, HALF).values()] == [2]
