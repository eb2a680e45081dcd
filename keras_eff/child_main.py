"""What the child of `child_process.run` runs: it must not import keras_eff."""

import importlib.util
import json
import pathlib
import sys
import traceback

_CLEAN_ERRORS = (ValueError, TypeError, ImportError, RuntimeError)


def serve(script: str, payload: str, reply: str) -> None:
    """Writes what the script's `main` returns or raises.

    Args:
        script: Path of the script.
        payload: Path of the JSON file that holds the argument of `main`.
        reply: Path of the JSON file to write.
    """
    argument = json.loads(pathlib.Path(payload).read_text(encoding="utf-8"))
    try:
        text = json.dumps({"result": _load(script).main(argument)})
    except Exception as error:
        text = json.dumps({"error": _describe_error(error)})
    pathlib.Path(reply).write_text(text, encoding="utf-8")


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
    serve(*sys.argv[1:])
