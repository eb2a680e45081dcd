import numpy as np
import pytest

from keras_eff.schedules import IterativeSparsity

ARGUMENTS = [(0.5, 2, 10), (0.2, 5, 7, 3), (0.9, 3, 1, 10), (0.0, 4, 5)]


def rounds_of_pruning(fraction, num_rounds, round_steps, begin=0):
    """Removes a share of what remains at the beginning of each round."""
    values, remaining, rounds = [], 1.0, 0
    for step in range(60):
        is_round = step >= begin and (step - begin) % round_steps == 0
        if is_round and rounds < num_rounds:
            remaining -= fraction * remaining
            rounds += 1
        values.append(1.0 - remaining)
    return values


def test_example_of_the_formula(check_values):
    schedule = IterativeSparsity(0.5, num_rounds=2, round_steps=2, begin_step=1)
    check_values(schedule, [0.0, 0.5, 0.5, 0.75, 0.75, 0.75])


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_values_equal_a_loop_over_the_rounds(check_values, arguments):
    check_values(IterativeSparsity(*arguments), rounds_of_pruning(*arguments))


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_sparsity_never_falls(arguments):
    values = IterativeSparsity(*arguments)(np.arange(60))
    assert (np.diff(values) >= 0).all()
    assert values[-1] == pytest.approx(1 - (1 - arguments[0]) ** arguments[1])


def test_config(check_config):
    check_config(IterativeSparsity(0.2, 5, 7, begin_step=3))
    assert IterativeSparsity(0.2, 5, 7).get_config() == {
        "prune_fraction": 0.2,
        "num_rounds": 5,
        "round_steps": 7,
        "begin_step": 0,
    }


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"prune_fraction": 1.0}, "`prune_fraction` .*prune_fraction=1.0"),
        ({"num_rounds": 0}, "`num_rounds` .* positive integer. .*num_rounds=0"),
        (
            {"round_steps": 0},
            "`round_steps` .*positive .*round_steps=0",
        ),
        ({"begin_step": -1}, "`begin_step` .*>= 0. .*begin_step=-1"),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(changes, message):
    arguments = {"prune_fraction": 0.5, "num_rounds": 2, "round_steps": 10}
    with pytest.raises(ValueError, match=message):
        IterativeSparsity(**{**arguments, **changes})
