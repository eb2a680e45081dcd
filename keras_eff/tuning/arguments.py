"""Checks of arguments that several functions take."""

import math
import numbers
from typing import Any

_RANGES = {
    "> 0": lambda x: x > 0,
    ">= 0": lambda x: x >= 0,
    "<= 0": lambda x: x <= 0,
    "in [0, 1]": lambda x: 0 <= x <= 1,
}


def check_number(name: str, value: Any, wanted: str) -> None:
    """Raises unless `value` is a finite number in a range.

    Args:
        name: Name of the argument.
        value: What the user gave.
        wanted: The range: "> 0", ">= 0", "<= 0" or "in [0, 1]".
    """
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(
            f"Argument `{name}` must be a number {wanted}. Received: "
            f"{name}={describe(value)}"
        )
    if not math.isfinite(value) or not _RANGES[wanted](value):
        raise ValueError(
            f"Argument `{name}` must be a finite number {wanted}. Received: "
            f"{name}={value}"
        )


def describe(value: Any) -> str:
    """The value and its class, for an error about its type."""
    kind = type(value)
    return f"{value!r} of type {kind.__module__}.{kind.__qualname__}"
