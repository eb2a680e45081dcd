"""Checks of the arguments of `MedianStopping`."""

import math
import numbers
import os

import keras

_MODES = (None, "auto", "min", "max")


def check_integer(name, value, least):
    is_integer = isinstance(value, numbers.Integral)
    if not is_integer or isinstance(value, bool) or value < least:
        raise ValueError(
            f"Argument `{name}` must be an integer of {least} or more. "
            f"Received: {name}={value!r}"
        )


def check_others(monitor, mode, min_delta, directory, dry_run):
    is_real = isinstance(min_delta, numbers.Real)
    checks = {
        "monitor": (monitor, "a string or None", _is_name(monitor)),
        "mode": (mode, f"one of {_MODES}", mode in _MODES),
        "min_delta": (
            min_delta,
            "a finite float of 0 or more",
            is_real and 0 <= min_delta < math.inf,
        ),
        "directory": (
            directory,
            "a path or None",
            directory is None or isinstance(directory, (str, os.PathLike)),
        ),
        "dry_run": (dry_run, "a boolean", isinstance(dry_run, bool)),
    }
    for name, (value, expected, is_right) in checks.items():
        if not is_right:
            raise ValueError(
                f"Argument `{name}` must be {expected}. "
                f"Received: {name}={value!r}"
            )


def _is_name(monitor):
    return monitor is None or (isinstance(monitor, str) and monitor != "")


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
