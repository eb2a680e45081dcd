"""What damaged files do to those who read, lint, measure and compare them.

Real files are cut off, get bits flipped or bytes replaced by noise, and go to
each function that takes a file. A clean error and, where the damage is in the
values of a weight, which no reader can know, a result, are right; anything
else is a row of its own: another exception, or an end of this process, of which
the table would then be missing. Other files are damaged on purpose: numbers in
their tables (shapes, indices, offsets) become such as nobody writes.

The memory is the peak of this process beside what it held before the function
began, and the largest peak of a child.
"""

import collections
import os
import pathlib
import re
import tempfile
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags

import keras_eff

flags.DEFINE_integer("mutations", 1000, "Damaged files for each function.")
flags.DEFINE_integer("seed", 0, "Seed of the damage.")
FLAGS = flags.FLAGS

_CLEAN = (ValueError, RuntimeError)
_KINDS = ("cut off", "bits flipped", "noise", "numbers")
# What is too small, too large, or next to what a type can hold.
_NUMBERS = (0, 1, 2, 127, 2**15, 2**24 - 1, 2**31 - 1, -1, -2, -(2**31))
_NUMBER_BYTES = 4
_MEGABYTE = 1e6
_POLL_S = 0.02


def files(folder):
    """A float and an int8 file of one network, its samples and itself."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.DepthwiseConv2D(3),
            keras.layers.Conv2D(64, 3, strides=2),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    samples = np.random.default_rng(0).normal(size=(8, 12, 12, 1))
    samples = samples.astype("float32")
    paths = [str(folder / f"{name}.tflite") for name in ("float", "int8")]
    keras_eff.export.to_tflite(model, paths[0], samples=samples)
    keras_eff.export.to_tflite(model, paths[1], "int8", samples)
    return model, samples, [pathlib.Path(path).read_bytes() for path in paths]


def damaged(data, kind, generator):
    if kind == "cut off":
        return data[: generator.integers(len(data))]
    if kind == "numbers":
        return _with_numbers(data, generator)
    changed = np.frombuffer(data, np.uint8).copy()
    count = int(2 ** generator.integers(0, 6))
    places = generator.integers(0, len(data), count)
    if kind == "bits flipped":
        changed[places] ^= 1 << generator.integers(0, 8, count, np.uint8)
    else:
        start = places[0]
        noise = generator.integers(0, 256, len(changed) - start, np.uint8)
        changed[start : start + 64 * count] = noise[: 64 * count]
    return changed.tobytes()


def _with_numbers(data, generator):
    """Tables hold the numbers below this one, weights the others."""
    changed = np.frombuffer(data[: len(data) // 4 * 4], np.int32).copy()
    (places,) = np.nonzero(np.abs(changed.astype(np.int64)) < 2**16)
    chosen = generator.choice(places, int(2 ** generator.integers(0, 4)))
    changed[chosen] = generator.choice(_NUMBERS, len(chosen))
    return changed.tobytes()


class PeakMemory:
    """The largest memory of this process and of its children, meanwhile."""

    def __init__(self):
        self.own_bytes = 0
        self.child_bytes = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._before = _resident_bytes()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()

    def _watch(self):
        task = f"/proc/self/task/{threading.main_thread().native_id}/children"
        while not self._is_over.wait(_POLL_S):
            grown = _resident_bytes() - self._before
            self.own_bytes = max(self.own_bytes, grown)
            for child in pathlib.Path(task).read_text().split():
                peak = _peak_bytes(child)
                self.child_bytes = max(self.child_bytes, peak)


def _resident_bytes():
    pages = pathlib.Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _peak_bytes(child):
    """Of a child that runs a file, which is not there yet when it is forked."""
    process = pathlib.Path("/proc") / child
    try:
        if b"child_main.py" not in (process / "cmdline").read_bytes():
            return 0
        status = (process / "status").read_text()
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def readers(model, samples):
    """The functions that take a file, as functions of its path alone."""
    export = keras_eff.export
    runner = keras_eff.latency.LiteRT(
        warmup_runs=0, warmup_min_s=0.0, timeout_s=30.0
    )
    return {
        "inspect": export.inspect,
        "lint": export.lint_edgetpu,
        "measure": lambda path: keras_eff.latency.measure(
            path, num_runs=1, runner=runner
        ),
        "compare": lambda path: export.execute(path, [samples], 30.0),
        "debug": lambda path: export.debug(model, path, samples),
    }


def outcome(read, path):
    try:
        read(path)
    except _CLEAN as error:
        return "killed in its process" if _died(error) else "error"
    except Exception as error:
        return f"other exception: {type(error).__name__}"
    return "result"


def _died(error):
    return "died of signal" in str(error)


def main(_):
    print(
        "| function | damage | files | error | of which a crash of the child"
        " | result (the file is still whole) | anything else | slowest, s |"
        " memory, MB | of a child, MB |"
    )
    print("|---" * 10 + "|")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model, samples, contents = files(folder)
        for function, read in readers(model, samples).items():
            generator = np.random.default_rng(FLAGS.seed)
            for kind in _KINDS:
                seen = collections.Counter()
                slowest_s = 0.0
                with PeakMemory() as memory:
                    for number in range(FLAGS.mutations // len(_KINDS)):
                        data = contents[number % len(contents)]
                        path = folder / "damaged.tflite"
                        path.write_bytes(damaged(data, kind, generator))
                        start = time.perf_counter()
                        seen[outcome(read, str(path))] += 1
                        taken_s = time.perf_counter() - start
                        slowest_s = max(slowest_s, taken_s)
                row = _row(function, kind, seen, slowest_s, memory)
                print(row, flush=True)


def _row(function, kind, seen, slowest_s, memory):
    crashes = seen.pop("killed in its process", 0)
    errors = seen.pop("error", 0) + crashes
    results = seen.pop("result", 0)
    total = errors + results + sum(seen.values())
    rest = ", ".join(f"{n} {name}" for name, n in seen.items()) or "0"
    cells = (
        *(function, kind, total, errors, crashes, results, rest),
        f"{slowest_s:.1f}",
        f"{memory.own_bytes / _MEGABYTE:.0f}",
        f"{memory.child_bytes / _MEGABYTE:.0f}",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    app.run(main)
