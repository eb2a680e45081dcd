"""Runs risky work in a process of its own.

A damaged model file, or a bug in a native library, can end the process that
meets it. `run` gives such work to a short-lived child process: whatever happens
there reaches the caller as an exception.

The work is a script: a file that defines `main(payload)`, which takes a
dictionary and returns a dictionary, both of plain JSON values. Arrays travel as
paths of `.npy` files in them. The child runs child_main.py, which loads the
script by its path, so that it imports what the script imports and nothing else:
neither keras_eff nor Keras, and starts in a fraction of a second.
"""

import json
import os
import pathlib
import sys
import tempfile

from keras_eff import command

_CHILD = pathlib.Path(__file__).with_name("child_main.py")
_PAYLOAD_CHARACTERS = 500
# Those that child_main.py passes on.
_ERRORS = {x.__name__: x for x in (ValueError, TypeError, ImportError)}


def run(script: str | os.PathLike, payload: dict, timeout_s: float) -> dict:
    """Returns what the script's `main(payload)` returns in a child process.

    What the child prints is kept for the error message and does not reach the
    user. The child is killed when the time is over or when the caller is
    interrupted.

    Args:
        script: Path of a Python file that defines `main(payload)`.
        payload: Dictionary of plain JSON values.
        timeout_s: Positive number, the time that the child may take, in
            seconds.

    Raises:
        ValueError, TypeError, ImportError: If `main` raises one of them, with
            its message.
        RuntimeError: If `main` raises anything else, or if the child dies of a
            signal, exits, takes too long or leaves no result.
    """
    with tempfile.TemporaryDirectory(prefix="keras_eff_") as folder:
        files = [pathlib.Path(folder) / n for n in ("payload", "reply")]
        files[0].write_text(json.dumps(payload), encoding="utf-8")
        # -P keeps our own folders (ops, layers, ...) off its import path.
        argv = [sys.executable, "-P", _CHILD, script, *files]
        finished = command.run(list(map(os.fspath, argv)), timeout_s)
        reply = None if finished.failure else _read_reply(files[1])
    if reply is None:
        raise RuntimeError(_explain(finished, script, payload, timeout_s))
    if "error" in reply:
        _raise_again(**reply["error"])
    return reply["result"]


def _read_reply(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _explain(finished, script, payload, timeout_s):
    failure = finished.failure or "left no complete result"
    received = json.dumps(payload)[:_PAYLOAD_CHARACTERS]
    return (
        f"The child process of `{pathlib.Path(script).name}` {failure}. "
        f"Received: timeout_s={timeout_s}, payload={received}"
        f"{command.end_of(finished.output)}"
    )


def _raise_again(kind, message):
    raise _ERRORS.get(kind, RuntimeError)(message)
