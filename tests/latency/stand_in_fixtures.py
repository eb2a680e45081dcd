"""Puts the stand-ins of benchmark_model, adb and ssh on PATH."""

import os
import pathlib

import pytest

from .stand_ins import Device
from .stand_ins import Scripts
from .stand_ins import connect

ADB = """\
if [ "$1" = devices ]; then cat {folder}/devices; exit; fi
. {faults}
shift 2
if [ "$1" = push ]; then cp "$2" "$3"; exit; fi
shift
PATH={bin}:$PATH exec sh -c "$*"
"""
SSH = """\
. {faults}
while [ "$1" = -o ]; do shift 2; done
shift
PATH={bin}:$PATH exec sh -c "$*"
"""
PIXEL = """\
case $1 in
ro.product.cpu.abi) echo arm64-v8a;;
ro.product.manufacturer) echo Google;;
ro.product.model) echo Pixel 8;;
ro.soc.manufacturer) echo Google;;
ro.soc.model) echo Tensor G3;;
ro.build.version.release) echo 14;;
*) echo;;
esac
"""


# What stands in for something is not to be found on the machine as well.
REPLACED = {"adb", "ssh", "benchmark_model"}


@pytest.fixture(scope="session")
def other_commands(tmp_path_factory):
    """A folder with the other commands of this machine."""
    folder = tmp_path_factory.mktemp("commands")
    for directory in ("/usr/local/bin", "/usr/bin", "/bin"):
        for path in pathlib.Path(directory).iterdir():
            link = folder / path.name
            if not (path.name in REPLACED or os.path.lexists(link)):
                link.symlink_to(path)
    return folder


@pytest.fixture
def scripts(tmp_path, monkeypatch, other_commands):
    """Scripts that are first on PATH; none is a benchmark_model yet."""
    found = Scripts(tmp_path / "scripts")
    path = [str(found.folder), str(other_commands)]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    for name in ("KERAS_EFF_BENCHMARK_MODEL", "ANDROID_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("ANDROID_SDK_ROOT", raising=False)
    return found


@pytest.fixture
def phone(tmp_path, scripts):
    """A phone with the serial number P8, connected by adb."""
    device = make_device(tmp_path, scripts, "adb", ADB)
    device.bin.write("getprop", PIXEL)
    connect(device, "P8\tdevice")
    return device


@pytest.fixture
def board(tmp_path, scripts):
    """A board with the name pi, reached by ssh."""
    device = make_device(tmp_path, scripts, "ssh", SSH)
    device.bin.write("uname", "echo aarch64")
    device.bin.write("getconf", "echo 64")
    device.bin.write("nproc", "echo 4")
    return device


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"....TFL3....")
    return str(path)


def make_device(tmp_path, scripts, connector, body):
    folder = tmp_path / "device"
    folder.mkdir()
    device = Device(folder, scripts, connector)
    body = body.replace("{faults}", str(device.faults))
    scripts.write(connector, body.replace("{bin}", str(device.bin.folder)))
    return device
