"""Checks of the arguments of `MedianStopping`."""

import math
import numbers
import os

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
