"""The shell of an Android device, over adb."""

import functools
import os
import re
import shutil

from keras_eff import command
from keras_eff.latency.benchmark_tool.executable import ARCHITECTURES
from keras_eff.latency.devices.shell import DeviceShell

_ADB_S = 60.0
_HOMES = ("ANDROID_HOME", "ANDROID_SDK_ROOT")
_UNAUTHORIZED = (
    "it does not trust this machine: unlock it and accept the dialog `Allow "
    "USB debugging`; if none appears, revoke the authorizations in its "
    "developer options and reconnect it"
)
_OFFLINE = "it does not answer: reconnect it, or run `adb reconnect offline`"
_NO_PERMISSIONS = (
    "this machine may not use its USB port: install the udev rules of Android "
    "(package android-sdk-platform-tools-common), join the group plugdev and "
    "reconnect it"
)
_ADVICE = {
    "unauthorized": _UNAUTHORIZED,
    "offline": _OFFLINE,
    "no permissions": _NO_PERMISSIONS,
}
_NONE = (
    "No Android device is connected. Connect one, with USB debugging turned on "
    "in its developer options, and check that `adb devices` lists it"
)
_PROPERTIES = {
    "abi": "ro.product.cpu.abi",
    "maker": "ro.product.manufacturer",
    "model": "ro.product.model",
    "soc_maker": "ro.soc.manufacturer",
    "soc_model": "ro.soc.model",
    "board": "ro.board.platform",
    "version": "ro.build.version.release",
}


def find_adb() -> str:
    """Returns the path of adb."""
    homes = [os.environ[home] for home in _HOMES if os.environ.get(home)]
    candidates = ["adb", *(f"{home}/platform-tools/adb" for home in homes)]
    found = next(filter(None, map(shutil.which, candidates)), None)
    if found is None:
        raise RuntimeError(
            "An Android device needs the command adb: install the Android SDK "
            "platform tools, then put adb on PATH or set ANDROID_HOME to the "
            "folder of the SDK."
        )
    return found


def list_devices() -> dict[str, str]:
    """Returns the state of each connected device, by its serial number."""
    finished = command.run([find_adb(), "devices"], _ADB_S)
    if finished.failure:
        raise RuntimeError(
            f"`adb devices` {finished.failure}."
            f"{command.end_of(finished.output)}"
        )
    _, _, rows = finished.output.partition("List of devices attached")
    return dict(re.findall(r"^(.+)\t(.+)$", rows, re.MULTILINE))


def choose_device(serial: str | None) -> str:
    """Returns the serial number of the device to use, once it is ready."""
    states = list_devices()
    if serial is not None:
        states = {serial: states.get(serial, "absent")}
    ready = [name for name, state in states.items() if state == "device"]
    if len(ready) > 1:
        raise ValueError(
            "Argument `serial` must name one device, as several are connected: "
            f"{', '.join(ready)}. Received: serial=None"
        )
    if not ready:
        problems = [explain_state(*device) for device in states.items()]
        raise RuntimeError(
            f"{'; '.join(problems) or _NONE}. Received: serial={serial!r}"
        )
    return ready[0]


def explain_state(serial: str, state: str) -> str:
    """Returns what to do about a device that is not ready."""
    if state == "absent":
        return f"Device {serial} is not among those that `adb devices` lists"
    for known, advice in _ADVICE.items():
        if state.startswith(known):
            return f"Device {serial} is {known!r}: {advice}"
    return f"Device {serial} is {state!r}: wait until it has started"


class AdbShell(DeviceShell):
    """The shell of an Android device."""

    reasons = (
        ("unauthorized", _UNAUTHORIZED),
        ("device offline", _OFFLINE),
        ("no permissions", _NO_PERMISSIONS),
        (
            "device .*not found|no devices|error: closed|device still",
            "it was unplugged or has restarted",
        ),
    )

    def __init__(self, serial: str):
        super().__init__(serial)
        self._adb = [find_adb(), "-s", serial]

    def push(self, path, target, timeout_s):
        argv = [*self._adb, "push", os.fspath(path), target]
        finished = command.run(argv, timeout_s)
        self.check(f"adb push {path} {target}", finished)

    def platform(self):
        abi = self._properties["abi"]
        return f"android_{ARCHITECTURES.get(abi, abi)}"

    def describe(self):
        found = self._properties
        soc = f"{found['soc_maker']} {found['soc_model']}".strip()
        soc = soc or found["board"] or "unknown"
        return (
            f"{found['maker']} {found['model']} (SoC {soc}), "
            f"Android {found['version']}, {self.name}"
        )

    @functools.cached_property
    def _properties(self):
        lines = (
            f'echo "{name}=$(getprop {property})"'
            for name, property in _PROPERTIES.items()
        )
        output = self.ask("; ".join(lines))
        found = dict(re.findall(r"^(\w+)=(.*)$", output, re.MULTILINE))
        return {name: found.get(name, "").strip() for name in _PROPERTIES}

    def _argv(self, script):
        return [*self._adb, "shell", script]
