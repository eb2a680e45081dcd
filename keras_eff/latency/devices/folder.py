"""The folder of a device that holds what a measurement needs there."""

import contextlib
import hashlib
import os
import pathlib
import re
import shlex
import uuid
from collections.abc import Iterator

from absl import logging

from keras_eff.atomic_write import is_running
from keras_eff.latency.devices.shell import DeviceShell

# What the names of files begin with that are removed again.
_LENT = "lent"


class DeviceFolder:
    """A folder on a device, created when needed."""

    def __init__(self, shell: DeviceShell, directory: str, timeout_s: float):
        self._shell = shell
        self._directory = directory
        self._timeout_s = timeout_s
        folder = shlex.quote(directory)
        # Others than its owner may need to read it: the benchmark app. Only
        # what is made here: another's folder keeps its mode.
        listed = shell.ask(
            f"if [ -d {folder} ]; then ls {folder}; "
            f"else mkdir -p {folder} && chmod 755 {folder}; fi"
        )
        self._sweep(listed.splitlines())

    def keep(self, path: str | os.PathLike) -> str:
        """Returns the path there of an executable file that stays for later.

        It is copied only if it is not there yet, which its checksum tells.
        """
        path = pathlib.Path(path)
        sha256 = _checksum(path)
        target = f"{self._directory}/{sha256[:16]}-{path.name}"
        if self._checksum_there(target) != sha256:
            # Written under its name only once it is complete.
            with self.lend(path) as copy:
                self._shell.ask(f"mv {shlex.quote(copy)} {shlex.quote(target)}")
        return target

    @contextlib.contextmanager
    def lend(self, path: str | os.PathLike) -> Iterator[str]:
        """Gives the path there of a file that is removed afterwards.

        Then every process with that path in its command line is killed, too.
        The name is new each time, so that other measurements on the device are
        left alone.
        """
        stem = f"{_LENT}-{_owner(os.getpid())}-{uuid.uuid4().hex}"
        target = f"{self._directory}/{stem}{pathlib.Path(path).suffix}"
        try:
            self._write(pathlib.Path(path), target, _checksum(path))
            yield target
        finally:
            self._remove(stem, target)

    def _write(self, path, target, sha256):
        self._shell.push(path, target, self._timeout_s)
        prepare = f"chmod 755 {shlex.quote(target)} || exit; "
        if self._checksum_there(target, prepare) not in (sha256, None):
            raise RuntimeError(
                f"Device {self._shell.name}: the copy of {path} there is not "
                f"complete. Received: directory={self._directory}"
            )

    def _checksum_there(self, target, prepare=""):
        """Returns the SHA-256 of a file there; None if that cannot be told."""
        script = f"{prepare}sha256sum {shlex.quote(target)}"
        finished = self._shell.run(script)
        found = re.search(r"^\\?([0-9a-f]{64})\b", finished.output, re.M)
        return found[1] if found else None

    def _remove(self, stem, target):
        try:
            self._shell.ask(f"{_kill(stem)}; rm -f {_hidden(target)}")
        except RuntimeError as error:
            logging.warning("%s may be left on the device. %s", target, error)

    def _sweep(self, names):
        """Removes what runs of this machine left that were killed."""
        for name in filter(_is_left, map(str.strip, names)):
            self._remove(pathlib.Path(name).stem, f"{self._directory}/{name}")


def _owner(process):
    """A process of this machine, as other machines would not call theirs."""
    machine = hashlib.sha256(f"{uuid.getnode()}".encode()).hexdigest()[:12]
    return f"{machine}-{process}"


def _is_left(name):
    """Whether a file was lent by a process of this machine that is gone."""
    found = re.match(rf"{_LENT}-[0-9a-f]{{12}}-([0-9]+)-", name)
    if not found or not name.startswith(f"{_LENT}-{_owner(found[1])}-"):
        return False
    return not is_running(int(found[1]))


def _kill(stem):
    """The command that kills all whose command line holds a stem.

    Brackets keep the pattern from matching the command line that it is in.
    """
    return f"pkill -9 -f '[{stem[0]}]{stem[1:]}'"


def _hidden(target):
    """A path for a shell, spelled so that `_kill` does not see it."""
    folder, _, name = target.rpartition("/")
    return f"{shlex.quote(folder)}/{name[0]}''{shlex.quote(name[1:])}"


def _checksum(path):
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
