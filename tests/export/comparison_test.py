import numpy as np
import pytest

from keras_eff.export.comparison import compare
from keras_eff.export.execution import Execution


def execution(delegate, builtin, scales):
    return Execution(
        delegate=delegate,
        builtin=builtin,
        delegate_partitions=1,
        output_scales=scales,
    )


def test_figures_are_those_of_the_worse_resolver():
    expected = np.array([[0.0, 1.0], [2.0, -4.0]])
    better = expected + 0.1
    worse = expected + np.array([[0.0, 0.0], [0.0, 8.0]])
    result = compare([expected], execution([better], [worse], [0.5]))
    assert result.max_abs_error == 8.0
    assert result.mean_lsb == pytest.approx(8.0 / 4 / 0.5)
    assert result.mean_share == pytest.approx(8.0 / 4 / 4.0)
    assert result.agreement == 0.5


def test_figures_are_those_of_the_worst_output():
    first, second = np.array([[1.0, 2.0]]), np.array([[4.0]])
    actual = [first, second + 2.0]
    result = compare([first, second], execution(actual, actual, [None, 0.5]))
    assert result.max_abs_error == 2.0
    assert result.mean_lsb == 4.0
    assert result.agreement == 1.0


def test_float_numbers_have_neither_steps_nor_choices():
    expected = np.array([[4.0], [2.0]])
    result = compare([expected], execution([expected], [expected], [None]))
    assert result.mean_lsb is None
    assert result.agreement is None


def test_nan_is_never_close():
    expected = np.array([[1.0, 2.0]])
    actual = np.array([[np.nan, 2.0]])
    result = compare([expected], execution([actual], [actual], [None]))
    assert not result.mean_share <= 1e9


def test_another_shape_raises():
    expected = np.zeros((2, 3))
    actual = np.zeros((2, 4))
    with pytest.raises(RuntimeError, match=r"Received: \(2, 4\)"):
        compare([expected], execution([actual], [actual], [None]))
