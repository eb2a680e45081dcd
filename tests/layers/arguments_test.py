import inspect

import keras
import numpy as np
import pytest

from keras_eff.layers import arguments


@pytest.mark.parametrize("value", [1, 7])
def test_a_positive_integer_is_returned(value):
    assert arguments.check_size("units", value) == value


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "3", None, np.nan])
def test_any_other_size_is_refused(value):
    message = "`units` must be an integer, [12] or more. Received: units="
    with pytest.raises(ValueError, match=message):
        arguments.check_size("units", value)


def test_arguments_are_taken_out_by_name():
    kwargs = {"name": "a", "kernel_initializer": "ones", "dtype": "float16"}
    found = arguments.take(("kernel_initializer", "absent"), kwargs)
    assert found == {"kernel_initializer": "ones"}
    assert kwargs == {"name": "a", "dtype": "float16"}


@pytest.mark.parametrize("layer", [keras.layers.Dense, keras.layers.Conv1D])
def test_layers_of_keras_take_the_arguments_of_weights(layer):
    assert set(arguments.OF_WEIGHTS) <= set(inspect.signature(layer).parameters)
