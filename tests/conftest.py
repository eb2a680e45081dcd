import functools
import os
import warnings

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

# XLA takes longer to compile a tiny model than the model takes: only tests that
# ask for it use it.
COMPILE, JIT_COMPILE = keras.Model.compile, keras.Model.jit_compile


@functools.wraps(COMPILE)
def compile_without_xla(model, *args, jit_compile=False, **options):
    return COMPILE(model, *args, jit_compile=jit_compile, **options)


def replace_in_trainers(name, value):
    """In the class that has it: Keras asks whether a model has its own."""
    owner = next(c for c in keras.Model.__mro__ if name in vars(c))
    setattr(owner, name, value)


replace_in_trainers("compile", compile_without_xla)
replace_in_trainers(
    "jit_compile",
    property(
        lambda model: model.compiled and JIT_COMPILE.fget(model),
        JIT_COMPILE.fset,
    ),
)


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
