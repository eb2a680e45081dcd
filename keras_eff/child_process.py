"""Runs risky work in a process of its own.

A damaged model file, or a bug in a native library, can end the process that
meets it. `run` gives such work to a short-lived child process: whatever happens
there reaches the caller as an exception.

The work is a script: a file that defines `main(payload)`, which takes a
dictionary and returns a dictionary, both of plain JSON values. Arrays travel as
paths of `.npy` files in them. The child runs this file, which loads the script
by its path, so that it imports what the script imports and nothing else:
neither keras_eff nor Keras, and starts in a fraction of a second.
"""

import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import traceback

_PAYLOAD = "payload.json"
_REPLY = "reply.json"
_STDERR = "stderr.txt"
_STDERR_LINES = 10
_PAYLOAD_CHARACTERS = 500
_CLEAN_ERRORS = (ValueError, TypeError, ImportError, RuntimeError)


def run(script: str | os.PathLike, payload: dict, timeout_s: float) -> dict:
    """Returns what the script's `main(payload)` returns in a child process.

    The child's standard output is dropped and its standard error kept for the
    error message; neither reaches the user. The child is killed when the time
    is over or when the caller is interrupted.

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
    with tempfile.TemporaryDirectory(prefix="keras_eff_") as name:
        folder = pathlib.Path(name)
        (folder / _PAYLOAD).write_text(json.dumps(payload), encoding="utf-8")
        failure = _run_child(script, folder, timeout_s)
        reply = None if failure else _read_reply(folder)
        if reply is None:
            failure = failure or "left no complete result"
            raise RuntimeError(_explain(failure, script, folder))
    if "error" in reply:
        _raise_again(**reply["error"])
    return reply["result"]


def _run_child(script, folder, timeout_s):
    """Returns what went wrong, or None."""
    # -P keeps our own folders (ops, layers, ...) off the child's import path.
    command = [sys.executable, "-P", __file__, os.fspath(script), str(folder)]
    with open(folder / _STDERR, "wb") as stderr:
        try:
            child = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"was stopped after timeout_s={timeout_s}"
    return _describe_exit(child.returncode)


def _describe_exit(code):
    if code == 0:
        return None
    if code > 0:
        return f"exited with code {code}"
    names = {number.value: number.name for number in signal.Signals}
    return f"died of signal {names.get(-code, -code)}"


def _read_reply(folder):
    try:
        return json.loads((folder / _REPLY).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _explain(failure, script, folder):
    stderr = (folder / _STDERR).read_text(encoding="utf-8", errors="replace")
    lines = stderr.splitlines()[-_STDERR_LINES:] or ["(nothing)"]
    payload = (folder / _PAYLOAD).read_text(encoding="utf-8")
    return "\n    ".join(
        [
            f"The child process of `{pathlib.Path(script).name}` {failure}. "
            f"Received: payload={payload[:_PAYLOAD_CHARACTERS]}\n"
            "The end of its standard error:",
            *lines,
        ]
    )


def _raise_again(kind, message):
    kinds = {clean.__name__: clean for clean in _CLEAN_ERRORS}
    raise kinds[kind](message)


def _serve(script, folder):
    """Is the child's side of `run`."""
    folder = pathlib.Path(folder)
    payload = json.loads((folder / _PAYLOAD).read_text(encoding="utf-8"))
    try:
        reply = json.dumps({"result": _load(script).main(payload)})
    except Exception as error:
        reply = json.dumps({"error": _describe_error(error)})
    (folder / _REPLY).write_text(reply, encoding="utf-8")


def _load(script):
    name = pathlib.Path(script).stem
    spec = importlib.util.spec_from_file_location(name, script)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _describe_error(error):
    """Keeps the message of a clean error and the traceback of any other."""
    for clean in _CLEAN_ERRORS:
        if isinstance(error, clean):
            return {"kind": clean.__name__, "message": str(error)}
    return {"kind": "RuntimeError", "message": traceback.format_exc()}


if __name__ == "__main__":
    _serve(*sys.argv[1:])
