"""Loading Keras models, without the noise of TensorFlow's start."""

import contextlib
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_STDERR = 2


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Keeps what TensorFlow's C++ code logs off the terminal.

    Some lines come before TensorFlow reads the level to log, so that standard
    error leads elsewhere meanwhile; that of Python stays where it is. A user
    who sets the level in the environment sees all.
    """
    if _LOG_LEVEL in os.environ:
        yield
        return
    os.environ[_LOG_LEVEL] = "3"
    try:
        with tempfile.TemporaryFile() as held, _stderr_to(held):
            yield
    finally:
        del os.environ[_LOG_LEVEL]


@contextlib.contextmanager
def _stderr_to(file):
    """Leads what is written past Python's `sys.stderr` to a file."""
    if sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    terminal = os.dup(_STDERR)
    python_stderr = sys.stderr
    with os.fdopen(terminal, "w", buffering=1, errors="replace") as stream:
        os.dup2(file.fileno(), _STDERR)
        sys.stderr = stream
        try:
            yield
        finally:
            sys.stderr = python_stderr
            os.dup2(terminal, _STDERR)


def load_model(path: str):
    """Returns the model in a .keras file."""
    if not pathlib.Path(path).exists():
        raise FileNotFoundError(f"there is no file {path}")
    import keras

    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise ValueError(
            f"Keras cannot load {path}, which must be a .keras file: {error}"
        ) from error
