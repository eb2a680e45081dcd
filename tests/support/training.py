"""What the tests of callbacks share: tiny models, and a look into them."""

import contextlib
import pathlib
import types
import warnings

import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.layers import PrunableDense
from keras_eff.pruning.prunable import prunables
from tests.support.replicas import measured_on_two_replicas

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(32, 6)).astype("float32")
Y = GENERATOR.normal(size=(32, 3)).astype("float32")


class Spy(keras.callbacks.Callback):
    """Keeps what there is to see after each batch; it comes last."""

    def __init__(self):
        super().__init__()
        self.logs, self.masks, self.kernels, self.after_epochs = [], [], [], []

    def on_train_batch_end(self, batch, logs=None):
        model = self.model
        self.logs.append(dict(logs))
        self.masks.append(masks(model))
        self.kernels.append(kernels(model))

    def on_epoch_end(self, epoch, logs=None):
        self.after_epochs.append(kernels(self.model))


def mlp(optimizer="sgd", schedules=(None, None), **options):
    """Two prunable layers: 48 and 24 weights."""
    first, second = schedules
    model = keras.Sequential(
        [
            keras.Input((6,)),
            PrunableDense(8, first, activation="tanh", name="first"),
            PrunableDense(3, second, name="second"),
        ]
    )
    model.compile(optimizer, "mse", **{"jit_compile": False, **options})
    return model


def linear(optimizer="sgd", **layer_options):
    """One prunable layer of 18 weights, whose gradients are easy to tell."""
    layer = PrunableDense(3, use_bias=False, **layer_options)
    model = keras.Sequential([keras.Input((6,)), layer])
    model.compile(optimizer, "mse", jit_compile=False)
    return model


def fit(model, *callbacks, epochs=1, batch_size=8, **options):
    """Four steps an epoch; returns what a spy saw and the history."""
    spy = Spy()
    history = model.fit(
        X,
        Y,
        batch_size,
        epochs,
        shuffle=False,
        verbose=0,
        callbacks=[*callbacks, spy],
        **options,
    )
    spy.history = history.history
    return spy


def masks(model):
    return [ops.convert_to_numpy(p.mask.mask) for p in prunables(model)]


def kernels(model):
    """As they are stored."""
    return [ops.convert_to_numpy(p.variable) for p in prunables(model)]


def zeros(model):
    """The share of zeros among the prunable weights, as they are stored."""
    return np.mean(np.concatenate([k.ravel() for k in kernels(model)]) == 0)


def told(action, word="sparsity"):
    """What an action warns of: messages with a word."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    messages = [str(warning.message) for warning in caught]
    return [message for message in messages if word in message]


def gradient_by_row(kernel):
    """The gradient of each row's loss, for the `linear` model."""
    errors = X @ kernel - Y
    return np.stack(
        [2 / 3 * np.outer(x, e) for x, e in zip(X, errors, strict=True)]
    )


@pytest.fixture
def unfinished():
    """Collects what a block is warned of: schedules that cannot finish."""

    @contextlib.contextmanager
    def collect():
        found = []
        # Not `pytest.warns`, which raises what others warn of.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield found
        messages = [str(warning.message) for warning in caught]
        found += [m for m in messages if "cannot finish" in m]

    return collect


@pytest.fixture(scope="session")
def tiny():
    names = (mlp, linear, fit, masks, kernels, zeros, told, gradient_by_row)
    functions = {function.__name__: function for function in names}
    return types.SimpleNamespace(x=X, y=Y, **functions)


@pytest.fixture(scope="session")
def on_two_replicas():
    """What two_replicas.py measures, in a process with two CPU devices."""
    return measured_on_two_replicas(
        pathlib.Path(__file__).with_name("two_replicas.py")
    )


__all__ = ["on_two_replicas", "tiny", "unfinished"]
