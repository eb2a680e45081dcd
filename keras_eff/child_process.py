"""Runs risky work in a process of its own.

A damaged model file, or a bug in a native library, can end the process that
meets it. `run` gives such work to a short-lived child process: whatever happens
there reaches the caller as an exception.

The work is a script: a file that defines `main(payload)`, which takes a
dictionary and returns a dictionary, both of plain JSON values. Arrays travel as
paths of `.npy` files in them. The child runs child_main.py, which loads the
script by its path, so that it imports what the script imports and nothing else:
neither keras_eff nor Keras, and starts in a fraction of a second.

A hostile file can make a runtime take memory and time without end. The child
limits both itself, before it meets the file, and on Linux ends together with
this process, however that ends; elsewhere when its time is over.
"""

import json
import os
import pathlib
import sys

from keras_eff import command
from keras_eff.atomic_write import temporary_folder
from keras_eff.printable import printable

_CHILD = pathlib.Path(__file__).with_name("child_main.py")
_PAYLOAD_CHARACTERS = 500
_VARIABLE = "KERAS_EFF_CHILD_MEMORY_MB"
_MEGABYTE = 1_000_000
# What a runtime needs beside copies of the file and of its inputs: in it are
# libraries, activations of large images and outputs of many samples.
_BASE_BYTES = 2 * 2**30
_COPIES = 8
_SHARE_OF_MACHINE = 0.8
_CONTAINER_LIMIT = pathlib.Path("/sys/fs/cgroup/memory.max")
_NO_MEMORY = "MemoryError"
# Those that child_main.py passes on.
_ERRORS = {x.__name__: x for x in (ValueError, TypeError, ImportError)}


def run(
    script: str | os.PathLike,
    payload: dict,
    timeout_s: float,
    memory_bytes: int | None = None,
) -> dict:
    """Returns what the script's `main(payload)` returns in a child process.

    What the child prints is kept for the error message and does not reach the
    user. The child is killed when the time is over, when the caller is
    interrupted, and when it ends.

    `payload`: dictionary of plain JSON values. `timeout_s`: positive number,
    the time that the child may take, in seconds. `memory_bytes`: integer, the
    memory that it may take, in bytes; see `memory_for`. By default, most of
    what this machine has.
    """
    memory_bytes = _memory_limit(memory_bytes)
    with temporary_folder() as folder:
        files = [folder / name for name in ("payload", "reply")]
        files[0].write_text(json.dumps(payload), encoding="utf-8")
        # -P keeps our own folders (ops, layers, ...) off its import path.
        argv = [sys.executable, "-P", _CHILD, script, *files]
        limits = map(str, (os.getpid(), timeout_s, memory_bytes))
        argv = [*map(os.fspath, argv), *limits]
        finished = command.run(argv, timeout_s)
        reply = None if finished.failure else _read_reply(files[1])
    received = f"timeout_s={timeout_s}, {_describe_memory(memory_bytes)}"
    if reply is None:
        raise RuntimeError(_explain(finished, script, payload, received))
    if "error" in reply:
        _raise_again(**reply["error"], received=received)
    return reply["result"]


def memory_for(*paths: str | os.PathLike) -> int:
    """Returns the memory that running files may take, in bytes.

    `*paths`: the files that the child reads: a model and its inputs. The child
    itself tells of those that are missing.
    """
    present = filter(os.path.exists, paths)
    return _BASE_BYTES + _COPIES * sum(map(os.path.getsize, present))


def _memory_limit(wanted):
    chosen = os.environ.get(_VARIABLE)
    if chosen is not None:
        if not chosen.isdecimal() or int(chosen) < 1:
            raise ValueError(
                f"Environment variable `{_VARIABLE}` must be a positive "
                f"integer, in MB. Received: {_VARIABLE}={chosen!r}"
            )
        return int(chosen) * _MEGABYTE
    most = int(_SHARE_OF_MACHINE * _machine_bytes())
    return most if wanted is None else min(wanted, most)


def _machine_bytes():
    """The memory of the machine, or of the container that this runs in."""
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return min(size, int(_CONTAINER_LIMIT.read_text()))
    except (OSError, ValueError):
        return size


def _describe_memory(memory_bytes):
    return (
        f"a limit of {memory_bytes // _MEGABYTE:,} MB of memory, which the "
        f"environment variable {_VARIABLE} can change"
    )


def _read_reply(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _explain(finished, script, payload, received):
    failure = finished.failure or "left no complete result"
    return (
        f"The child process of `{pathlib.Path(script).name}` {failure}. "
        f"Received: {received}; payload="
        f"{json.dumps(payload)[:_PAYLOAD_CHARACTERS]}"
        f"{command.end_of(finished.output)}"
    )


def _raise_again(kind, message, received):
    message = printable(message, kept="\n\t")
    if kind == _NO_MEMORY:
        raise RuntimeError(f"{message} Received: {received}")
    raise _ERRORS.get(kind, RuntimeError)(message)
