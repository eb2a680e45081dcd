import dataclasses
import os
import re

from absl import logging

from keras_eff.arguments import read_boolean
from keras_eff.latency.benchmark_tool.delegates import is_external
from keras_eff.latency.benchmark_tool.options import check_name
from keras_eff.latency.devices import adb
from keras_eff.latency.devices.benchmark_app import run_app
from keras_eff.latency.devices.runner import OnDevice


@dataclasses.dataclass(eq=False, repr=False)
class Android(OnDevice):
    """Runs a file on an Android device, over adb, in benchmark_model.

    Copies the executable and the file to the device, runs it there and removes
    the file; the executable stays, for the next time. When the time is over,
    the caller is interrupted, or the tool fails, no process stays behind.

    With `use_apk` the file runs in TFLite's benchmark app, which must be
    installed, as an application's process does: shells and applications are
    scheduled differently.

    Args:
        serial: String, the device, as `adb devices` lists it. Defaults to the
            only one that is connected.
        binary: Path of the executable for the device. Defaults to what the
            environment variable KERAS_EFF_BENCHMARK_MODEL names, a file or a
            folder that holds android_aarch64_benchmark_model or
            android_arm_benchmark_model, else to such a file on PATH.
        delegate, cpu_affinity, profile_ops, warmup_runs, flags: As in
            `keras_eff.latency.BenchmarkModel`. The library of an external
            delegate is copied to the device, too.
        timeout_s: Float > 0, time that the tool, and copying each file, may
            take, in seconds.
        directory: String, absolute path of the folder on the device to use.
        use_apk: Boolean, whether to run the benchmark app. It takes no
            `binary`, no `cpu_affinity`, no external delegate and no spaces in
            `flags` and `directory`.

    Call arguments: As in `keras_eff.latency.BenchmarkModel`.

    Raises:
        TypeError: If a name or a path has the wrong type.
        ValueError: If another argument is wrong, or, when called, if several
            devices are connected and `serial` is `None`, or the executable is
            built for another architecture.
        FileNotFoundError: If `binary` or a delegate's library does not exist,
            or, when called, if no executable is found: says where to get one.
        RuntimeError: When called, if adb is missing, no device is ready, the
            device goes away or is full, the app is not installed, or the tool
            fails as in `keras_eff.latency.BenchmarkModel`.

    Example:

    >>> keras_eff.latency.Android("emulator-5554", delegate="gpu")
    Android(serial='emulator-5554', binary=None, delegate='gpu',
    cpu_affinity=None, profile_ops=False, warmup_runs=5, flags=(),
    timeout_s=600.0, directory='/data/local/tmp/keras_eff', use_apk=False)
    """

    serial: str | None = None
    binary: str | os.PathLike | None = None
    _: dataclasses.KW_ONLY
    directory: str = "/data/local/tmp/keras_eff"
    use_apk: bool = False

    def __post_init__(self):
        if self.serial is not None:
            check_name("serial", self.serial)
        self.use_apk = read_boolean("use_apk", self.use_apk)
        super().__post_init__()
        if self.use_apk:
            self._check_app_can()

    @classmethod
    def connected(cls, **options) -> list["Android"]:
        """Returns a runner for each device that is connected and ready.

        A device that is connected but not ready is left out, with a warning.

        Args:
            **options: Arguments of `Android`, without `serial`.
        """
        states = adb.list_devices()
        for serial, state in states.items():
            if state != "device":
                logging.warning("%s", adb.explain_state(serial, state))
        return [
            cls(serial, **options)
            for serial, state in states.items()
            if state == "device"
        ]

    def _check_app_can(self):
        """Refuses what the benchmark app would ignore."""
        lacking = {
            "binary": self.binary is not None,
            "cpu_affinity": self.cpu_affinity is not None,
            "delegate": is_external(self.delegate),
            "flags": any(re.search(r"\s", flag) for flag in self.flags),
            "directory": re.search(r"\s", self.directory),
        }
        for name, is_lacking in lacking.items():
            if is_lacking:
                raise ValueError(
                    "With `use_apk=True` the benchmark app runs the file, "
                    f"which cannot take this argument. Received: {name}="
                    f"{getattr(self, name)!r}"
                )

    @property
    def _tool(self):
        return "benchmark app" if self.use_apk else "benchmark_model"

    def _connect(self):
        return adb.AdbShell(adb.choose_device(self.serial))

    def _prepare(self, shell):
        if not self.use_apk:
            return super()._prepare(shell)

        def run(folder, graph, *counts_and_inputs):
            flags = self._tool_flags(graph, "", *counts_and_inputs)
            return run_app(shell, flags, self.timeout_s)

        return run
