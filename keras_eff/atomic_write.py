"""Atomic writes, and temporary folders, that leave nothing behind.

A file is there complete, or as it was before: what is written first lies beside
it. That file, and temporary folders, have names that tell the machine and the
process that they belong to. The next of them in the same place removes what
processes that were killed have left.
"""

import contextlib
import functools
import hashlib
import os
import pathlib
import re
import secrets
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator

_FILE = re.compile(r"\.keras_eff-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{16}\.tmp")
_FOLDER = re.compile(r"keras_eff-([0-9a-f]{8})-([0-9]+)-\w{8}")
# Whether a process of another machine has ended cannot be seen from here, nor
# whether another one has got its number.
_LONGEST_WORK_S = 7 * 24 * 3600.0
# O_EXCL follows no symbolic link either.
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_PERMISSIONS = 0o777


def check_path(path: str | os.PathLike, name: str = "path") -> pathlib.Path:
    """The path of a file that can be written, checked before the work."""
    if not isinstance(path, (str, os.PathLike)):
        kind = type(path)
        raise TypeError(
            f"Argument `{name}` must be a string or a path. Received: "
            f"{kind.__module__}.{kind.__name__}"
        )
    path = pathlib.Path(path)
    target = _followed(path)
    _check_is_file(target, name, path)
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"Argument `{name}` must name a file in a directory that exists. "
            f"Received: {name}={str(path)!r}"
        )
    temporary, descriptor = _create(target)
    os.close(descriptor)
    temporary.unlink()
    return path


@contextlib.contextmanager
def atomic_write(path: pathlib.Path, data: bytes) -> Iterator[pathlib.Path]:
    """Writes `data` beside `path`, and moves it there at the end of the block.

    If the block raises, `path` stays as it was and nothing is left. A symbolic
    link is followed: it stays, and the file that it names is written. A file
    that was there passes its permissions on to the new one.
    """
    target = _followed(path)
    _check_is_file(target, "path", path)
    for left in _leftovers(target.parent, _FILE, stat.S_ISREG):
        with contextlib.suppress(OSError):
            os.unlink(left)
    temporary, descriptor = _create(target)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def temporary_folder() -> Iterator[pathlib.Path]:
    """A folder for files that are needed until the end of the block."""
    for left in _leftovers(tempfile.gettempdir(), _FOLDER, stat.S_ISDIR):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_owner()}-") as name:
        yield pathlib.Path(name)


def is_running(process: int) -> bool:
    """Whether there is a process of this number, whoever's, on this machine."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def _followed(path):
    return pathlib.Path(os.path.realpath(path))


def _check_is_file(target, name, given):
    found = _status(target)
    if found is None or stat.S_ISREG(found.st_mode):
        return
    kind = IsADirectoryError if stat.S_ISDIR(found.st_mode) else OSError
    raise kind(
        f"Argument `{name}` must name a file, not a directory, a device, a "
        f"pipe or a socket. Received: {name}={str(given)!r}"
    )


def _status(path):
    try:
        return path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


def _create(target):
    """An empty file beside the target, with the access that the target has."""
    name = f".{_owner()}-{secrets.token_hex(8)}.tmp"
    temporary = target.with_name(name)
    old = _status(target)
    if old is None:
        return temporary, os.open(temporary, _CREATE, 0o666)
    # Nobody may look into it before it has the permissions of the old file,
    # which not every user may give and not every file system has.
    descriptor = os.open(temporary, _CREATE, 0o600)
    with contextlib.suppress(OSError):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, old.st_mode & _PERMISSIONS)
    return temporary, descriptor


def _owner():
    return f"keras_eff-{_machine()}-{os.getpid()}"


@functools.cache
def _machine():
    """Tells where process numbers mean the same: host, start and container."""
    parts = [socket.gethostname()]
    for read in (
        lambda: pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(),
        lambda: os.readlink("/proc/self/ns/pid"),
    ):
        with contextlib.suppress(OSError):
            parts.append(read().strip())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _leftovers(place, name, is_kind):
    """Yields the paths of what processes that have ended left in a folder."""
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            match = name.fullmatch(entry.name)
            found = match and _status(pathlib.Path(entry))
            if (
                found
                and is_kind(found.st_mode)
                and _is_left(found, *match.groups())
            ):
                yield entry.path


def _is_left(found, machine, process):
    if machine == _machine() and not is_running(int(process)):
        return True
    return time.time() - found.st_mtime > _LONGEST_WORK_S
