import numpy as np
import pytest

from keras_eff.schedules import PolynomialDecay

ARGUMENTS = [
    (0.0, 0.8, 0, 10),
    (0.5, 0.9, 7, 40),
    (0.2, 0.6, 3, 20, 1),
    (0.1, 0.75, 5, 33, 2.5),
    (0.8, 0.3, 2, 30, 4),
    (0.0, 0.9, 0, 1),
]


def tensorflow_model_optimization(initial, final, begin, end, power=3):
    """What its PolynomialDecay computes, and 0 where it does not prune."""
    values = []
    for step in range(60):
        progress = min(max((step - begin) / (end - begin), 0.0), 1.0)
        value = (initial - final) * (1.0 - progress) ** power + final
        values.append(value if step >= begin else 0.0)
    return values


def test_example_of_the_formula(check_values):
    check_values(PolynomialDecay(0.0, 0.8, 0, 2), [0.0, 0.7, 0.8, 0.8])


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_values_are_those_of_tensorflow_model_optimization(
    check_values, arguments
):
    expected = tensorflow_model_optimization(*arguments)
    check_values(PolynomialDecay(*arguments), expected)


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_sparsity_moves_one_way_from_the_first_to_the_last(arguments):
    initial, final, begin, end = arguments[:4]
    values = PolynomialDecay(*arguments)(np.arange(begin, end + 9))
    assert (np.diff(values) * np.sign(final - initial) >= 0).all()
    assert values[0] == pytest.approx(initial)
    assert values[-1] == values[end - begin] == final


def test_it_prunes_fast_at_first_and_ever_more_slowly():
    values = PolynomialDecay(0.0, 0.8, 0, 10)(np.arange(11))
    assert (np.diff(values, 2) < 0).all()


def test_config(check_config):
    check_config(PolynomialDecay(0.5, 0.9, 7, 40, 2.5))
    assert PolynomialDecay(0.5, 0.9, 7, 40).get_config() == {
        "initial_sparsity": 0.5,
        "final_sparsity": 0.9,
        "begin_step": 7,
        "end_step": 40,
        "power": 3,
    }


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"initial_sparsity": -0.1}, "`initial_sparsity` .*sparsity=-0.1"),
        ({"final_sparsity": 1}, "`final_sparsity` .*final_sparsity=1"),
        ({"begin_step": -1}, "`begin_step` .*begin_step=-1"),
        ({"end_step": 3}, "`end_step` .* integer >= 4. .*end_step=3"),
        ({"power": 0}, "`power` must be a finite number > 0. .*power=0"),
        ({"power": "3"}, "`power` must be a finite number > 0. .*power='3'"),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(changes, message):
    arguments = {
        "initial_sparsity": 0.0,
        "final_sparsity": 0.8,
        "begin_step": 3,
        "end_step": 9,
    }
    with pytest.raises(ValueError, match=message):
        PolynomialDecay(**{**arguments, **changes})
