"""One reader for each kind of argument.

Each returns what Python has for the value, also where NumPy's was given, and
raises a ValueError that names the argument, what it must be, and what came.
"""

import numbers
from collections.abc import Iterable
from typing import Any

import numpy as np

_WORDS = {
    "(0, inf)": "a finite number > 0",
    "[0, inf)": "a finite number >= 0",
    "(-inf, 0]": "a finite number <= 0",
    "(-inf, inf)": "a finite number",
}


def read_integer(
    name: str,
    value: Any,
    low: int | None = None,
    high: int | None = None,
    *,
    also: str = "",
) -> int:
    """Reads an integer, of Python or of NumPy; no boolean.

    `low`: the least that it may be. `high`: the most that it may be. `also`:
    what else may be given, which the caller has read, for the message: "or
    None".
    """
    found = _python(value)
    is_integer = _is_number(found, numbers.Integral)
    if is_integer and low is not None:
        is_integer = found >= low
    if is_integer and high is not None:
        is_integer = found <= high
    if not is_integer:
        raise wrong_argument(name, value, _integers(low, high), also)
    return int(found)


def read_number(
    name: str, value: Any, interval: str = "(-inf, inf)", *, also: str = ""
) -> float:
    """Reads a finite number, of Python or of NumPy; no boolean.

    `interval`: where it must be: "[0, 1)", "(0, inf)".
    """
    found = _python(value)
    low, high = (float(end) for end in interval[1:-1].split(","))
    is_inside = _is_number(found, numbers.Real) and (
        (low < found or (low == found and interval[0] == "["))
        and (found < high or (found == high and interval[-1] == "]"))
    )
    if not is_inside:
        expected = _WORDS.get(interval, f"a float in {interval}")
        raise wrong_argument(name, value, expected, also)
    return float(found)


def read_boolean(name: str, value: Any) -> bool:
    """Reads a boolean, of Python or of NumPy; no number."""
    found = _python(value)
    if not isinstance(found, bool):
        raise wrong_argument(name, value, "a boolean")
    return found


def read_choice(name: str, value: Any, choices: Iterable, *, also="") -> Any:
    """Reads one of some values, most often strings or None."""
    choices, found = tuple(choices), _python(value)
    # Of the same type too: True is no 1, and an array is equal to nothing.
    for choice in choices:
        if type(found) is type(choice) and found == choice:
            return choice
    quoted = [f'"{c}"' if isinstance(c, str) else str(c) for c in choices]
    expected = f"one of {', '.join(quoted)}"
    raise wrong_argument(name, value, expected, also)


def read_string(name: str, value: Any, *, also: str = "") -> str:
    """Reads a string that is not empty, such as the name of a layer."""
    if not isinstance(value, str) or not value:
        raise wrong_argument(name, value, "a string that is not empty", also)
    return str(value)


def check_layer_names(
    name: str, value: Any, names: Iterable[str], known: Iterable[str]
) -> None:
    """Raises a ValueError unless a model has the layers that are named."""
    known = sorted(known)
    unknown = [repr(each) for each in names if each not in known]
    if unknown:
        raise ValueError(
            f"Argument `{name}` names a layer that the model does not have, "
            f"{', '.join(unknown)}. Received: {name}={value!r}; its layers are "
            f"{known}"
        )


def wrong_argument(
    name: str, value: Any, expected: str, also: str = ""
) -> ValueError:
    """The error of an argument that is not what it must be."""
    wanted = f"{expected} {also}".rstrip()
    return ValueError(
        f"Argument `{name}` must be {wanted}. Received: {name}={value!r}"
    )


def wrong_type(name: str, value: Any, expected: str) -> TypeError:
    """The error of an argument that is of another type."""
    return TypeError(
        f"Argument `{name}` must be {expected}. Received: {name}="
        f"{described(value)}"
    )


def described(value: Any) -> str:
    """The value and its class, for an error about its type."""
    kind = type(value)
    return f"{value!r} of type {kind.__module__}.{kind.__qualname__}"


def _python(value):
    """What Python has for a scalar of NumPy or an array without axes."""
    is_array = isinstance(value, np.ndarray) and not value.ndim
    return value.item() if is_array or isinstance(value, np.generic) else value


def _is_number(value, kind):
    return isinstance(value, kind) and not isinstance(value, bool)


def _integers(low, high):
    if high is not None:
        return f"an integer in [{low}, {high}]"
    if low is None:
        return "an integer"
    return "a positive integer" if low == 1 else f"an integer >= {low}"
