"""Runs shell commands and writes files on another device."""

import abc
import dataclasses
import os
import re

from keras_eff import command

# For commands that take a moment: what hangs longer has lost the device.
_STEP_S = 60.0
_EXIT_CODE = re.compile(r"\n?RC=(\d+)\s*\Z")
_LOST = "the connection broke off, or it went away"
_DEVICE_REASONS = (
    ("No space left on device", "its disk is full: free some space"),
    ("Read-only file system", "`directory` is not writable: choose another"),
    (
        "Permission denied|Operation not permitted",
        "`directory` is not writable: choose another",
    ),
)


class DeviceShell(abc.ABC):
    """The shell of another device."""

    # Pairs of what a broken connection prints, as a pattern, and its meaning.
    reasons = ()

    def __init__(self, name: str):
        self.name = name

    def run(
        self,
        script: str,
        timeout_s: float = _STEP_S,
        stdin: str | os.PathLike | int = os.devnull,
    ) -> command.Finished:
        """Returns how a POSIX shell script ended on the device."""
        # Not every connection passes an exit code on: the script tells it.
        argv = self._argv(f"{{ {script}; }} 2>&1; echo RC=$?")
        finished = command.run(argv, timeout_s, stdin)
        if finished.code is None:
            return finished
        found = _EXIT_CODE.search(finished.output)
        if found is None:
            raise RuntimeError(self._explain(finished.output, _LOST))
        output = finished.output[: found.start()]
        return dataclasses.replace(finished, code=int(found[1]), output=output)

    def ask(self, script: str) -> str:
        """Returns the output of a short script that must not fail."""
        finished = self.run(script)
        self.check(script, finished)
        return finished.output

    def check(self, action: str, finished: command.Finished):
        """Raises a RuntimeError if a step has failed."""
        if finished.failure:
            failure = f"`{action}` {finished.failure}"
            raise RuntimeError(self._explain(finished.output, failure))

    def _explain(self, output, otherwise):
        """Returns what an output means that shows the device failing."""
        meanings = (
            meaning
            for pattern, meaning in (*self.reasons, *_DEVICE_REASONS)
            if re.search(pattern, output, re.IGNORECASE)
        )
        meaning = next(meanings, otherwise)
        return f"Device {self.name}: {meaning}.{command.end_of(output)}"

    @abc.abstractmethod
    def platform(self) -> str:
        """Returns the device's name among the platforms: "linux_aarch64"."""

    @abc.abstractmethod
    def describe(self) -> str:
        """Returns what a person would call the device."""

    @abc.abstractmethod
    def push(self, path: str | os.PathLike, target: str, timeout_s: float):
        """Copies a file to a path on the device."""

    @abc.abstractmethod
    def _argv(self, script):
        """Returns the command of this machine that runs a script there."""
