"""The name of this machine."""

import os
import pathlib
import platform
import re


def describe_device(cpuinfo: str | os.PathLike = "/proc/cpuinfo") -> str:
    """Returns what a person would call this machine: "AMD EPYC, 2 cores"."""
    cores = os.cpu_count() or 1
    return f"{_name(cpuinfo)}, {cores} core{'s' if cores > 1 else ''}"


def _name(cpuinfo):
    try:
        text = pathlib.Path(cpuinfo).read_text(errors="replace")
    except OSError:
        text = ""
    # A board ("Model: Raspberry Pi 4 Model B") says more than its processor.
    for key in ("Model", "model name"):
        found = re.search(rf"^{key}\s*:\s*(\S.*)$", text, re.MULTILINE)
        if found:
            return " ".join(found.group(1).split())
    return platform.processor() or platform.machine() or "unknown device"
