from typing import Any


def describe(value: Any) -> str:
    """The value and its class, for an error about its type."""
    kind = type(value)
    return f"{value!r} of type {kind.__module__}.{kind.__qualname__}"
