import pytest

from keras_eff.schedules import ConstantSparsity


def test_example_of_the_formula(check_values):
    check_values(ConstantSparsity(0.5, begin_step=2), [0.0, 0.0, 0.5, 0.5])


@pytest.mark.parametrize("target, begin", [(0.5, 0), (0.9, 17), (0.0, 3)])
def test_values_are_those_of_tensorflow_model_optimization(
    check_values, target, begin
):
    # It does not prune before `begin_step`, and to the target from there on.
    expected = [target if step >= begin else 0.0 for step in range(60)]
    check_values(ConstantSparsity(target, begin), expected)


def test_config(check_config):
    check_config(ConstantSparsity(0.9, begin_step=17))
    assert ConstantSparsity(0.9).get_config() == {
        "target_sparsity": 0.9,
        "begin_step": 0,
    }


def test_target_sparsity_is_a_fraction():
    with pytest.raises(ValueError, match="`target_sparsity` .*sparsity=1.0"):
        ConstantSparsity(1.0)


def test_begin_step_is_not_negative():
    with pytest.raises(ValueError, match="`begin_step` .*begin_step=-1"):
        ConstantSparsity(0.5, -1)
