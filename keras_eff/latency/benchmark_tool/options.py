"""Checks the options of the runners of benchmark_model."""

import numbers
import pathlib
import re
from collections.abc import Sequence
from collections.abc import Set

from keras_eff.arguments import wrong_argument
from keras_eff.arguments import wrong_type


def check_directory(directory: str) -> str:
    """Returns an argument of a runner that must be a folder of a device."""
    if not isinstance(directory, str):
        raise wrong_type("directory", directory, "a string")
    path = pathlib.PurePosixPath(directory)
    if not path.is_absolute() or path == path.parent or "\n" in directory:
        expected = "an absolute path of a folder on the device, not its root"
        raise wrong_argument("directory", directory, expected)
    return str(path)


def check_name(name: str, value: str) -> None:
    """Checks an argument of a runner that names a device."""
    if not isinstance(value, str):
        raise wrong_type(name, value, "a string")
    # A name that starts with a dash would be an option of ssh or adb.
    if not re.fullmatch(r"[^\s-].*", value):
        raise ValueError(
            f"Argument `{name}` must be a name that does not start with a dash "
            f"or a space. Received: {name}={value!r}"
        )


def check_mask(cpu_affinity: int | str | None) -> str | None:
    """Returns the argument `cpu_affinity` as taskset takes it."""
    if cpu_affinity is None:
        return None
    if isinstance(cpu_affinity, bool) or not isinstance(
        cpu_affinity, numbers.Integral | str
    ):
        expected = "a hexadecimal string, an integer or None"
        raise wrong_type("cpu_affinity", cpu_affinity, expected)
    mask = cpu_affinity
    if isinstance(mask, str):
        mask = int(mask, 16) if re.fullmatch("(0x)?[0-9a-fA-F]+", mask) else 0
    if mask <= 0:
        raise ValueError(
            "Argument `cpu_affinity` must be a mask > 0 of the cores to use, "
            "such as 'f0' or 0xf0 for cores 4 to 7. Received: cpu_affinity="
            f"{cpu_affinity!r}"
        )
    return f"{int(mask):x}"


def check_flags(flags: Sequence[str], taken: Set[str]) -> tuple[str, ...]:
    """Returns flags for the tool that are none of those of the runner."""
    if not isinstance(flags, tuple | list) or not all(
        isinstance(flag, str) for flag in flags
    ):
        raise wrong_type("flags", flags, "a tuple of strings")
    for flag in flags:
        if not re.fullmatch(r"--\w+=.*", flag) or flag_name(flag) in taken:
            raise ValueError(
                "Argument `flags` must hold flags such as '--name=value', and "
                f"none of {sorted(taken)}, which follow from the other "
                f"arguments. Received: flags={flags}, with {flag!r}"
            )
    return tuple(flags)


def flag_name(flag: str) -> str:
    """Returns "--name" of "--name=value"."""
    return flag.partition("=")[0]
