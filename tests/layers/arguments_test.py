import inspect

import keras
import numpy as np
import pytest

from keras_eff.layers import arguments


def test_a_seed_of_numpy_is_one_of_python():
    assert type(arguments.read_seed(np.int64(3))) is int
    assert arguments.read_seed(None) is None
    with pytest.raises(ValueError, match="`seed` must be an integer or None"):
        arguments.read_seed(1.5)


def test_arguments_are_taken_out_by_name():
    kwargs = {"name": "a", "kernel_initializer": "ones", "dtype": "float16"}
    found = arguments.take(("kernel_initializer", "absent"), kwargs)
    assert found == {"kernel_initializer": "ones"}
    assert kwargs == {"name": "a", "dtype": "float16"}


@pytest.mark.parametrize("layer", [keras.layers.Dense, keras.layers.Conv1D])
def test_layers_of_keras_take_the_arguments_of_weights(layer):
    assert set(arguments.OF_WEIGHTS) <= set(inspect.signature(layer).parameters)
