import os
import platform

import pytest

from keras_eff.latency.this_machine import describe_device

CORES = os.cpu_count()
SUFFIX = f", {CORES} cores" if CORES > 1 else ", 1 core"


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("model\t\t: 1\nmodel name\t: AMD  EPYC 7B13\n", "AMD EPYC 7B13"),
        (
            "model name\t: ARMv7 Processor rev 3 (v7l)\n\n"
            "Model\t\t: Raspberry Pi 4 Model B Rev 1.1\n",
            "Raspberry Pi 4 Model B Rev 1.1",
        ),
    ],
)
def test_the_name_is_the_boards_or_else_the_processors(tmp_path, cpuinfo, name):
    path = tmp_path / "cpuinfo"
    path.write_text(cpuinfo)
    assert describe_device(path) == name + SUFFIX


@pytest.mark.parametrize("content", [None, "flags : fpu\nmodel name :\n"])
def test_without_a_name_in_cpuinfo_python_knows_one(tmp_path, content):
    path = tmp_path / "cpuinfo"
    if content:
        path.write_text(content)
    name = platform.processor() or platform.machine()
    assert describe_device(path) == name + SUFFIX
