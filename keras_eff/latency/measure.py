import numbers
import os
import pathlib
from collections.abc import Callable

from keras_eff.latency.latency import Latency
from keras_eff.latency.litert import LiteRT

# Bytes 4 to 7 of every .tflite file.
_IDENTIFIER = b"TFL3"


def measure(
    path: str | os.PathLike,
    num_threads: int = 1,
    num_runs: int = 50,
    runner: Callable[[str, int, int], Latency] | None = None,
) -> Latency:
    """Measures how long a `.tflite` file takes to run.

    Args:
        path: Path of a `.tflite` file.
        num_threads: Integer >= 1, threads that the runtime may use.
        num_runs: Integer >= 1, number of runs to time, after the warm-up.
        runner: What runs the file, and where: a callable
            `runner(path, num_threads, num_runs)` that returns a `Latency`.
            Defaults to `keras_eff.latency.LiteRT()`, this machine's CPU.

    Returns:
        A `keras_eff.latency.Latency`.

    Raises:
        FileNotFoundError: If there is no file at `path`.
        TypeError: If an argument has the wrong type, or `runner` returns
            something else than a `Latency`.
        ValueError: If a number is out of range, or the file is empty, damaged
            or not a `.tflite` file.
        RuntimeError: If the runner cannot run the file.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> model.export("model.tflite", format="litert", verbose=False)
    >>> latency = keras_eff.latency.measure("model.tflite", num_runs=20)
    >>> 0.0 < latency.min_ms <= latency.median_ms <= latency.p95_ms
    True
    """
    path = _check_path(path)
    num_threads = _check_count("num_threads", num_threads)
    num_runs = _check_count("num_runs", num_runs)
    runner = LiteRT() if runner is None else _check_runner(runner)
    latency = runner(path, num_threads, num_runs)
    if not isinstance(latency, Latency):
        raise TypeError(
            "Argument `runner` must return a keras_eff.latency.Latency. "
            f"Received: {runner} returned {_describe(latency)}"
        )
    return latency


def _check_path(path):
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            "Argument `path` must be a string or a path. Received: "
            f"path={_describe(path)}"
        )
    file = pathlib.Path(path)
    if not file.exists():
        raise FileNotFoundError(
            f"Argument `path` must name a file that exists. Received: "
            f"path={path}"
        )
    if not file.is_file():
        raise ValueError(
            "Argument `path` must name a .tflite file, not a directory. "
            f"Received: path={path}"
        )
    _check_identifier(file)
    return os.fspath(path)


def _check_identifier(file):
    with file.open("rb") as opened:
        head = opened.read(8)
    if not head:
        raise ValueError(
            f"Argument `path` must not name an empty file. Received: "
            f"path={file}"
        )
    if head[4:] != _IDENTIFIER:
        raise ValueError(
            "Argument `path` must name a .tflite file: bytes 4 to 7 are "
            f"{_IDENTIFIER!r}. Received: path={file}, with {head[4:]!r}"
        )


def _check_count(name, value):
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(
            f"Argument `{name}` must be an integer >= 1. Received: "
            f"{name}={_describe(value)}"
        )
    if value < 1:
        raise ValueError(
            f"Argument `{name}` must be an integer >= 1. Received: "
            f"{name}={value}"
        )
    return int(value)


def _check_runner(runner):
    if isinstance(runner, type):
        raise TypeError(
            "Argument `runner` must be an instance, such as "
            "keras_eff.latency.LiteRT(), not a class. Received: runner="
            f"{runner.__module__}.{runner.__qualname__}"
        )
    if not callable(runner):
        raise TypeError(
            "Argument `runner` must be a callable `runner(path, num_threads, "
            f"num_runs)`. Received: runner={_describe(runner)}"
        )
    return runner


def _describe(value):
    kind = type(value)
    return f"{value!r} of type {kind.__module__}.{kind.__qualname__}"
