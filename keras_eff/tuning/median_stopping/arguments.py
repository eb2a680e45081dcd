"""Checks of the arguments of `MedianStopping`."""

import os

import keras

from keras_eff import arguments

_MODES = (None, "auto", "min", "max")


def check_names(monitor, mode, directory):
    """Checks the arguments that are no numbers."""
    if monitor is not None:
        arguments.read_string("monitor", monitor, also="or None")
    arguments.read_choice("mode", mode, _MODES)
    if not isinstance(directory, (str, os.PathLike, type(None))):
        raise arguments.wrong_argument("directory", directory, "a path or None")


def inferred_mode(monitor, model):
    """The direction as `keras.callbacks.EarlyStopping` infers it."""
    keras_own = keras.callbacks.EarlyStopping(monitor, mode="auto")
    keras_own.set_model(model)
    keras_own.on_train_begin()
    keras_own.on_epoch_end(0, {monitor: 0.0})
    return "max" if bool(keras_own.monitor_op(1.0, 0.0)) else "min"


def check_may_come(monitor, logs):
    """Epochs without validation, with `validation_freq`, have no value."""
    is_validated = any(name.startswith("val_") for name in logs)
    if is_validated or not monitor.startswith("val_"):
        raise missing_value(monitor, logs)


def missing_value(monitor, logs):
    """The error of a training that does not report the monitored value."""
    return ValueError(
        "Argument `monitor` must be a value that training reports. "
        f"Received: monitor={monitor!r}, with {sorted(logs)} reported"
    )
