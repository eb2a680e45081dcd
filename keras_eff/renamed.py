"""Old names of what has a new one, taken with a warning until a release."""

import functools
import importlib
import warnings
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

_REMOVAL = "0.3"


def renamed_arguments(**renamed: str | tuple[str, Mapping]) -> Callable:
    """Decorates a function so that it takes old names of arguments too.

    `**renamed`: for each old name, the new one, or a pair of it and a dict with
    the new word for each old word that is no longer a value.
    """

    def decorate(function):
        @functools.wraps(function)
        def with_old_names(*args, **kwargs):
            for old in renamed.keys() & kwargs.keys():
                pair = renamed[old]
                new, words = (pair, {}) if isinstance(pair, str) else pair
                value = kwargs.pop(old)
                if new in kwargs:
                    raise TypeError(
                        f"Argument `{old}` is the old name of `{new}`: give "
                        f"the new one alone. Received: {old}={value!r}, "
                        f"{new}={kwargs[new]!r}"
                    )
                word = words.get(value) if isinstance(value, str) else None
                kwargs[new] = value if word is None else word
                text = new if word is None else f"{new}={word!r}"
                _warn(f"Argument `{old}`", f"`{text}`")
            return function(*args, **kwargs)

        return with_old_names

    return decorate


def renamed_attribute(old: str, new: str) -> property:
    """An attribute of a class under its old name."""

    def read(instance):
        _warn(f"Attribute `{old}`", f"`{new}`")
        return getattr(instance, new)

    return property(read)


def renamed_names(module: str, **places: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module that has names of old.

    Args:
        module: Its `__name__`.
        **places: For each old name, where it is now: "package.module.Name".
    """

    def find(name):
        if name not in places:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, new = places[name].rpartition(".")
        _warn(f"`{module}.{name}`", f"`{places[name]}`")
        return getattr(importlib.import_module(home), new)

    return find


def _warn(old, new):
    warnings.warn(
        f"{old} is {new} now: the old name goes in keras_eff {_REMOVAL}",
        DeprecationWarning,
        stacklevel=3,
    )
