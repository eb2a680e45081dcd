"""Executables that stand in for benchmark_model, adb and ssh.

Those of adb and ssh run the commands that they get, in a folder of this machine
that plays the device.
"""

import os
import pathlib
import shlex
import time

LOG = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Graph: [model.tflite]
INFO: Loaded model model.tflite
INFO: Initialized TensorFlow Lite runtime.
{delegate}
INFO: The input model file size (MB): 0.00212
INFO: Initialized session in 1.5ms.
INFO: Running benchmark for at least 5 iterations and at least 0 seconds but \
terminate if exceeding 600 seconds.
INFO: count=5 first=400 curr=200 min=200 max=400 avg=250 std=70 p5=200 \
median=220 p95=400

INFO: Running benchmark for at least 7 iterations and at least 0 seconds but \
terminate if exceeding 600 seconds.
INFO: count=7 first=300 curr=200 min=190 max=300 avg=215 std=30 p5=190 \
median=200 p95=300

INFO: Inference timings in us: Init: 1500, First inference: 400, Warmup (avg): \
250, Inference (avg): 215
INFO: Note: as the benchmark tool itself affects memory footprint, the \
following is only APPROXIMATE to the actual memory footprint of the model at \
runtime. Take the information at your discretion.
INFO: Memory footprint delta from the start of the tool (MB): init=1.5 \
overall=2.5
"""
XNNPACK = """\
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
VERBOSE: Replacing 2 out of 3 node(s) with delegate (TfLiteXNNPackDelegate) \
node, yielding 2 partitions for subgraph 0."""
LITERT_LOG = """\
{warning}
INFO: [benchmark_litert_model.h:90]
========== BENCHMARK RESULTS ==========
INFO: [benchmark_litert_model.h:94] Model initialization: 1.50 ms
INFO: [benchmark_litert_model.h:96] Warmup (first):       0.40 ms
INFO: [benchmark_litert_model.h:98] Warmup (avg):         0.25 ms (5 runs)
INFO: [benchmark_litert_model.h:100] Inference (avg):      0.22 ms (7 runs)
INFO: [benchmark_litert_model.h:104] Inference (min):      0.19 ms
INFO: [benchmark_litert_model.h:106] Inference (max):      0.30 ms
INFO: [benchmark_litert_model.h:108] Inference (std):      0.03
INFO: [benchmark_litert_model.h:130] ======================================
"""


def tflite_log(delegate=XNNPACK):
    return LOG.format(delegate=delegate)


def litert_log(unconsumed=""):
    warning = f"WARN: Unconsumed cmdline flags: {unconsumed}"
    return LITERT_LOG.format(warning=warning if unconsumed else "")


def replay(log, code=0):
    """The body of a script that prints a log and ends with a code."""
    return f"printf '%s' {shlex.quote(log)}; exit {code}"


# Hangs with a child of its own, whose process identifier it leaves.
HANG = 'echo STARTING!; sleep 600 & echo $! > "{folder}/child"; wait'
# Hangs by itself, as the tool on a device would.
HANG_ALONE = """\
echo STARTING!; echo $$ > "{folder}/child"; while :; do sleep 0.1; done"""
# The same, once it has interrupted this process.
INTERRUPT = HANG_ALONE.replace(
    "while", f"sleep 0.3; kill -INT {os.getpid()}; while"
)


def has_ended(process):
    """Whether a process has ended, or does so: the kernel takes a moment."""
    for _ in range(600):
        if not _is_running(process):
            return True
        time.sleep(0.05)
    return False


def _is_running(process):
    try:
        stat = pathlib.Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # One that was killed, but not yet collected, is a zombie.
    return stat.rpartition(")")[2].split()[0] != "Z"


class Scripts:
    """A folder of shell scripts that note how they are called."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def write(self, name, body):
        path = self.folder / name
        body = body.replace("{folder}", str(self.folder))
        calls = shlex.quote(str(self._calls(name)))
        path.write_text(
            f"#!/bin/sh\nprintf '%s\\n' \"$*\" >> {calls}\n{body}\n"
        )
        path.chmod(0o755)
        return path

    def calls(self, name):
        """The arguments of each call of a script, joined by spaces."""
        path = self._calls(name)
        return path.read_text().splitlines() if path.exists() else []

    def child(self):
        """The process that `HANG` has left, if it came so far."""
        path = self.folder / "child"
        return int(path.read_text()) if path.exists() else None

    def _calls(self, name):
        return self.folder / f"{name}.calls"


class Device:
    """A device behind adb or ssh: `disk` is its disk, `bin` its commands.

    Its benchmark_model is a script that replays a log.
    """

    def __init__(self, folder, scripts, connector):
        self.folder = folder
        self.scripts = scripts
        self.connector = connector
        self.disk = folder / "it's a disk"
        self.disk.mkdir()
        self.directory = str(self.disk / "keras eff")
        self.bin = Scripts(folder / "bin")
        self.bin.write("taskset", 'shift; exec "$@"')
        self.faults = folder / "faults.sh"
        self.faults.write_text("")
        self.set_tool(replay(tflite_log()))

    def set_tool(self, body):
        """Writes the executable that is copied to the device."""
        body = body.replace("{folder}", str(self.bin.folder))
        self.tool = self.bin.write("tool", body)

    def fail_on(self, pattern, output, code=1):
        """Makes adb or ssh fail, when called with arguments like these."""
        with open(self.faults, "a") as opened:
            opened.write(
                f'case "$*" in {pattern}) printf "%s\\n" '
                f"{shlex.quote(output)} >&2; exit {code};; esac\n"
            )

    def calls(self):
        return self.scripts.calls(self.connector)

    def files(self):
        """The names of the files on its disk."""
        return sorted(
            path.name for path in pathlib.Path(self.directory).glob("*")
        )


def connect(phone, *rows):
    """Sets what `adb devices` lists."""
    lines = ["List of devices attached", *rows, ""]
    (phone.scripts.folder / "devices").write_text("\n".join(lines))
