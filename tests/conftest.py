import os
import warnings

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)


@pytest.fixture
def gradient():
    """The gradient of the sum of a function of one array, as an array."""
    return _GRADIENTS[keras.backend.backend()]


def tensorflow_gradient(function, x):
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(function(x))
    return tape.gradient(total, x).numpy()


def jax_gradient(function, x):
    import jax

    return np.asarray(jax.grad(lambda x: function(x).sum())(x))


def torch_gradient(function, x):
    import torch

    x = torch.tensor(x, requires_grad=True)
    function(x).sum().backward()
    return x.grad.numpy()


_GRADIENTS = {
    "tensorflow": tensorflow_gradient,
    "jax": jax_gradient,
    "torch": torch_gradient,
}


@pytest.fixture
def told():
    """The texts of the warnings to the user, so far."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", category=UserWarning)
        yield lambda: [str(warning.message) for warning in caught]
