import numpy as np

from keras_eff.channels.tensor_channels import TensorChannels


def channels(values):
    return TensorChannels(1, np.arange(len(values)), np.array(values, float))


def test_repeated_holds_each_index_in_a_row():
    found = channels([0, 2]).repeated(2)
    assert found.ids.tolist() == [0, 0, 1, 1]
    assert found.values.tolist() == [0, 0, 2, 2]


def test_unknown_keeps_zero_alone():
    found = channels([0, 2]).unknown()
    assert found.is_zero.tolist() == [True, False]
    assert np.isnan(found.values[1])


def test_a_function_that_is_not_finite_leaves_no_constant():
    found = channels([0, 1]).mapped(lambda x: 1 / x)
    assert np.isnan(found.values[0])
    assert found.values[1] == 1


def test_moved_changes_the_axis_alone():
    found = channels([0, 2]).moved(3)
    assert (found.axis, found.values.tolist()) == (3, [0, 2])
