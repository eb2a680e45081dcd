"""Runs TFLite's benchmark app for Android, which logs what the tool prints."""

import contextlib
import re
import shlex
import time
from collections.abc import Sequence

from keras_eff.latency.benchmark_tool.executable import download_url
from keras_eff.latency.devices.shell import DeviceShell

_APP = "org.tensorflow.lite.benchmark"
_APK = "android_aarch64_benchmark_model.apk"
_POLL_S = 0.5
# Polls until an app that shows no process is one that did not start.
_MAX_POLLS_WITHOUT_APP = 20
_SUMMARY = re.compile(r"(Inference|inference) timings in us:")
_FAILURE = re.compile(
    r"Benchmarking failed|Failed to (?!get the input model file size)"
)
_READ = f'logcat -d -v brief -s tflite; echo "app=$(pidof {_APP})"'


def run_app(
    shell: DeviceShell, flags: Sequence[str], timeout_s: float
) -> tuple[str | None, str]:
    """Returns what went wrong with the app, or `None`, and what it logged."""
    # What an earlier run has logged is no result of this one.
    shell.ask("logcat -c")
    _start(shell, flags)
    try:
        return _wait(shell, timeout_s)
    finally:
        with contextlib.suppress(RuntimeError):
            shell.run(f"am force-stop {_APP}")


def _start(shell, flags):
    # The app takes all its flags as one string, split at spaces.
    output = shell.ask(
        f"am start -S -n {_APP}/.BenchmarkModelActivity --es args "
        f"{shlex.quote(' '.join(flags))}"
    )
    if re.search(r"does not exist|^Error", output, re.MULTILINE):
        raise RuntimeError(
            f"TFLite's benchmark app does not start on {shell.name}. If it is "
            f"not installed, download {download_url(_APK)} and run `adb "
            f"install -r -d -g {_APK}`. The device says: {output.strip()}"
        )


def _wait(shell, timeout_s):
    end_s = time.monotonic() + timeout_s
    log, num_polls, was_alive = "", 0, False
    while time.monotonic() < end_s:
        earlier, (log, alive) = log, _read(shell)
        num_polls += 1
        # The summary has more lines than one: it is over when none is added.
        if log == earlier and _FAILURE.search(log):
            return "failed", log
        if log == earlier and _SUMMARY.search(log):
            return None, log
        is_over = was_alive or num_polls > _MAX_POLLS_WITHOUT_APP
        if log == earlier and is_over and not alive:
            return "ended without a result", log
        was_alive = was_alive or alive
        time.sleep(_POLL_S)
    return "was stopped because its time was over", log


def _read(shell):
    log, _, process = shell.ask(_READ).rpartition("app=")
    return log, bool(process.strip())
