import types

import pytest

from keras_eff.channels.budget import Budget
from keras_eff.channels.budget import budget
from keras_eff.channels.budget import least_sparsity


def plan_for(sparsity):
    return types.SimpleNamespace(sparsity=sparsity)


def cost(plan):
    return 100 * (1 - plan.sparsity)


@pytest.mark.parametrize("limit", [30, 50, 77])
def test_the_sparsity_is_the_least_that_meets_the_budget(limit):
    macs = Budget("max_macs", limit, cost)
    found = least_sparsity(plan_for, [macs], 0.9, verbose=0)
    assert cost(found) <= limit
    assert found.sparsity == pytest.approx(1 - limit / 100, abs=1 / 128)


def test_all_budgets_are_met():
    budgets = [
        Budget("max_macs", 60, cost),
        Budget("max_parameters", 40, cost),
    ]
    found = least_sparsity(plan_for, budgets, 0.9, verbose=0)
    assert cost(found) <= 40


def test_nothing_goes_that_need_not():
    macs = Budget("max_macs", 100, cost)
    assert least_sparsity(plan_for, [macs], 0.9, 0).sparsity == 0


def test_a_budget_that_cannot_be_met_says_what_was_reached():
    macs = Budget("max_macs", 5, cost)
    with pytest.raises(ValueError, match="max_macs=5, of which 10 is"):
        least_sparsity(plan_for, [macs], 0.9, verbose=0)


@pytest.mark.parametrize("value", [0, -1, float("nan"), "10"])
def test_a_limit_must_be_a_number_over_zero(value):
    with pytest.raises(
        ValueError, match="`max_macs` must be a finite number > 0"
    ):
        budget("max_macs", value, cost)
