"""What the child of `child_process.run` runs: it must not import keras_eff."""

import ctypes
import importlib.util
import json
import os
import pathlib
import resource
import signal
import sys
import traceback

_CLEAN_ERRORS = (ValueError, TypeError, ImportError, RuntimeError)
_PR_SET_PDEATHSIG = 1
# The parent, if it is still there, ends the child before it does so itself.
_GRACE_S = 2.0
_LONGEST_S = 1e8


def limit(parent: int, timeout_s: float, memory_bytes: int) -> None:
    """Limits this process, so that it ends even if its parent is gone.

    `timeout_s`: time that it may take, in seconds. `memory_bytes`: memory that
    it may take, in bytes; also the largest file that it may write.
    """
    _end_with(parent)
    # Its signal ends the process: nobody handles it here.
    signal.setitimer(signal.ITIMER_REAL, min(timeout_s + _GRACE_S, _LONGEST_S))
    _lower(resource.RLIMIT_DATA, memory_bytes)
    _lower(resource.RLIMIT_FSIZE, memory_bytes)
    _lower(resource.RLIMIT_CORE, 0)


def serve(script: str, payload: str, reply: str) -> None:
    """Writes what the script's `main` returns or raises."""
    argument = json.loads(pathlib.Path(payload).read_text(encoding="utf-8"))
    try:
        text = json.dumps({"result": _load(script).main(argument)})
    except Exception as error:
        text = json.dumps({"error": _describe_error(error)})
    pathlib.Path(reply).write_text(text, encoding="utf-8")


def _end_with(parent):
    """Lets the end of the parent end this process, where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("The process that started this one has ended.")


def _lower(kind, wanted):
    soft, hard = resource.getrlimit(kind)
    set_already = [x for x in (soft, hard) if x != resource.RLIM_INFINITY]
    lowest = min([wanted, *set_already])
    resource.setrlimit(kind, (lowest, hard))


def _load(script):
    name = pathlib.Path(script).stem
    spec = importlib.util.spec_from_file_location(name, script)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _describe_error(error):
    """Keeps the message of a clean error and the traceback of any other."""
    if isinstance(error, MemoryError):
        message = f"The memory that it may take is not enough. {error}".strip()
        return {"kind": "MemoryError", "message": message}
    for clean in _CLEAN_ERRORS:
        if isinstance(error, clean):
            return {"kind": clean.__name__, "message": str(error)}
    return {"kind": "RuntimeError", "message": traceback.format_exc()}


if __name__ == "__main__":
    limit(int(sys.argv[4]), float(sys.argv[5]), int(sys.argv[6]))
    serve(*sys.argv[1:4])
