"""Runs a command of this machine and leaves nothing of it behind."""

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Sequence

from keras_eff.printable import printable

# For `run`: an input that ends when this process does.
HELD_OPEN = subprocess.PIPE
_OUTPUT_LINES = 10
# A shell reports the death of its child by signal N as this plus N.
_SHELL_SIGNAL = 128


@dataclasses.dataclass(frozen=True)
class Finished:
    r"""How a command ended.

    `code`: integer, its exit code, negative for a signal; `None` if it was
    stopped because its time was over. `output`: string, its standard output and
    standard error, as they came; control characters other than tabs and ends of
    lines are spelled out, as `\x1b`, so that it can be printed.
    """

    code: int | None
    output: str

    @property
    def failure(self) -> str | None:
        """What went wrong, as the end of a sentence, or `None`."""
        if self.code == 0:
            return None
        if self.code is None:
            return "was stopped because its time was over"
        number = -self.code if self.code < 0 else self.code - _SHELL_SIGNAL
        names = {known.value: known.name for known in signal.Signals}
        if number in names:
            return f"died of signal {names[number]}"
        return f"exited with code {self.code}"


def run(
    argv: Sequence[str],
    timeout_s: float,
    stdin: str | os.PathLike | int = os.devnull,
) -> Finished:
    """Runs a command and everything it starts, for `timeout_s` at most.

    When the time is over, or the caller is interrupted, the command's whole
    process group is killed. What a command that ended by itself has left in
    the background, such as the server of adb, stays.

    `timeout_s`: positive number, in seconds. `stdin`: path of the file that the
    command reads as its standard input, or `HELD_OPEN`.
    """
    # Not a pipe: a process left in the background would keep it open.
    with _opened(stdin) as source, tempfile.TemporaryFile() as target:
        with _start(argv, source, target) as child:
            code = _wait(child, timeout_s)
        target.seek(0)
        text = target.read().decode(errors="replace")
    text = re.sub(r"\r+\n?", "\n", text)
    return Finished(code, printable(text, kept="\n\t"))


def end_of(output: str) -> str:
    """Returns the last lines of an output, as the end of an error message."""
    lines = output.strip().splitlines()[-_OUTPUT_LINES:] or ["(nothing)"]
    return "\n    ".join(["\nThe end of its output:", *lines])


def _opened(stdin):
    if stdin == HELD_OPEN:
        return contextlib.nullcontext(HELD_OPEN)
    return open(stdin, "rb")


def _start(argv, source, target):
    try:
        return subprocess.Popen(
            argv,
            stdin=source,
            stdout=target,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise RuntimeError(
            f"Cannot start `{argv[0]}`: {error.strerror}."
        ) from error


def _wait(child, timeout_s):
    """Returns the exit code, or None if the time was over."""
    try:
        return child.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
