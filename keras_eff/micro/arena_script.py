"""The child process of `arena_size`: runs a file in TensorFlow Lite Micro."""

import os
import re
import sys
import tempfile

import numpy as np

_STEP_BYTES = 16
_SHOWN_LINES = 8


def main(payload: dict) -> dict:
    """Returns the total, head and tail bytes of the smallest arena.

    Args:
        payload: `path` of the file, `num_inputs` that it has, and `max_bytes`,
            the largest arena to try.
    """
    path, max_bytes = payload["path"], payload["max_bytes"]
    count = payload["num_inputs"]
    used = _used_bytes(path, count, max_bytes)

    def allocates(size):
        return _works(path, count, size, runs=False)

    def runs(size):
        return _works(path, count, size, runs=True)

    # Runs of a large file take seconds and hardly ever need more.
    total = _smallest(used["total"], max_bytes, allocates)
    total = _smallest(total, max_bytes, runs)
    return {
        "total_bytes": total,
        "head_bytes": used["head"],
        "tail_bytes": used["tail"],
    }


def _used_bytes(path, count, max_bytes):
    """Runs the file in the largest arena and reads what it used of it."""
    with _Stderr() as stderr:
        try:
            interpreter = _load(path, max_bytes)
            _invoke(interpreter, count)
        except RuntimeError as error:
            words = stderr.text().strip().splitlines()[-_SHOWN_LINES:]
            lines = "\n    ".join([str(error), *words])
            raise RuntimeError(
                "TensorFlow Lite Micro cannot run the file with an arena of "
                f"{max_bytes} bytes: {lines}\nReceived: path={path}"
            ) from error
        interpreter.print_allocations()
        report = stderr.text()
    found = re.findall(r"Arena allocation (\w+) (\d+) bytes", report)
    return {part: int(size) for part, size in found}


def _smallest(least, most, works):
    """The least size that works, if all above it do; `most` is known to."""
    failing = least = _rounded(least)
    step = _STEP_BYTES
    if works(least):
        return least
    while failing + step < most and not works(failing + step):
        failing += step
        step *= 2
    working = min(failing + step, _rounded(most))
    while working - failing > _STEP_BYTES:
        middle = _rounded((failing + working) // 2)
        if works(middle):
            working = middle
        else:
            failing = middle
    return working


def _rounded(size):
    return -(-size // _STEP_BYTES) * _STEP_BYTES


def _works(path, count, size, runs):
    with _Stderr():
        try:
            interpreter = _load(path, size)
            if runs:
                _invoke(interpreter, count)
        except RuntimeError:
            return False
    return True


def _load(path, size):
    # Here: an optional package, which reading this module must not need.
    from tflite_micro import runtime

    return runtime.Interpreter.from_file(path, arena_size=size)


def _invoke(interpreter, count):
    """Runs on zeros: valid ids of any table."""
    for index in range(count):
        detail = interpreter.get_input_details(index)
        zeros = np.zeros(detail["shape"], detail["dtype"])
        interpreter.set_input(zeros, index)
    interpreter.invoke()


class _Stderr:
    """Keeps what native code writes to the standard error meanwhile."""

    def __enter__(self):
        sys.stderr.flush()
        self._file = tempfile.TemporaryFile()
        self._saved = os.dup(2)
        os.dup2(self._file.fileno(), 2)
        return self

    def __exit__(self, *_):
        os.dup2(self._saved, 2)
        os.close(self._saved)
        self._file.close()

    def text(self):
        self._file.seek(0)
        return self._file.read().decode(errors="replace")
