import inspect
import os
import pathlib
from collections.abc import Callable
from collections.abc import Sequence

from keras_eff import arguments
from keras_eff.latency.benchmark_model import BenchmarkModel
from keras_eff.latency.benchmark_tool import executable
from keras_eff.latency.latency import Latency
from keras_eff.latency.litert import LiteRT

Runner = Callable[[str, int, int], Latency]

# Bytes 4 to 7 of every .tflite file.
_IDENTIFIER = b"TFL3"


def measure(
    path: str | os.PathLike,
    num_threads: int = 1,
    num_runs: int = 50,
    runner: Runner | Sequence[Runner] | None = None,
    *,
    input_shapes=None,
) -> Latency | list[Latency]:
    """Measures how long a `.tflite` file takes to run.

    Args:
        path: Path of a `.tflite` file.
        num_threads: Integer >= 1, threads that the runtime may use.
        num_runs: Integer >= 1, number of runs to time, after the warm-up.
        runner: What runs the file, and where: a callable
            `runner(path, num_threads, num_runs)` that returns a `Latency`,
            or a list or tuple of such callables, such as one for each phone.
            Defaults to `keras_eff.latency.BenchmarkModel()` if the environment
            variable KERAS_EFF_BENCHMARK_MODEL offers an executable for this
            machine, else to `keras_eff.latency.LiteRT()`, its CPU.
        input_shapes: Shape of the input, a tuple of integers, or a list or
            dict of shapes for several inputs, in the file's order or by its
            names, with or without the batch. Needed for a file that leaves
            dimensions other than the batch open. A runner of your own gets it
            as the keyword `input_shapes`, if it is given.

    Returns:
        A `keras_eff.latency.Latency`; for several runners, a list of one each,
        in their order. They run one after another: the first that fails ends
        the measurement with its error.

    Raises:
        FileNotFoundError: If there is no file at `path`.
        TypeError: If a path or runner has the wrong type, or `runner` returns
            something else than a `Latency` or takes no `input_shapes`.
        ValueError: If a number is out of range, there is no runner in the
            list, the file is empty, damaged or not a `.tflite` file, or
            `input_shapes` does not fit it.
        RuntimeError: If the runner cannot run the file.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> model.export("model.tflite", format="litert", verbose=False)
    >>> latency = keras_eff.latency.measure("model.tflite", num_runs=20)
    >>> 0.0 < latency.min_ms <= latency.median_ms <= latency.p95_ms
    True
    """
    path = _check_path(path)
    num_threads = arguments.read_integer("num_threads", num_threads, 1)
    num_runs = arguments.read_integer("num_runs", num_runs, 1)
    runners = _check_runners(runner)
    options = {} if input_shapes is None else {"input_shapes": input_shapes}
    for each in runners if options else ():
        _check_takes_shapes(each)
    rows = [_run(x, path, num_threads, num_runs, options) for x in runners]
    return rows if isinstance(runner, list | tuple) else rows[0]


def _run(runner, path, num_threads, num_runs, options):
    latency = runner(path, num_threads, num_runs, **options)
    if not isinstance(latency, Latency):
        raise TypeError(
            "Argument `runner` must return a keras_eff.latency.Latency. "
            f"Received: {runner} returned {arguments.described(latency)}"
        )
    return latency


def _check_path(path):
    if not isinstance(path, str | os.PathLike):
        raise arguments.wrong_type("path", path, "a string or a path")
    file = pathlib.Path(path)
    if not file.exists():
        raise FileNotFoundError(
            f"Argument `path` must name a file that exists. Received: "
            f"path={path}"
        )
    if not file.is_file():
        raise ValueError(
            "Argument `path` must name a .tflite file, not a device, a "
            "pipe or a directory. "
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


def _check_runners(runner):
    """Returns the runners, all checked before the first of them runs."""
    if runner is None:
        offered = executable.find_in_environment(executable.host_platform())
        return [BenchmarkModel() if offered else LiteRT()]
    if not isinstance(runner, list | tuple):
        return [_check_runner(runner)]
    if not runner:
        raise ValueError(
            "Argument `runner` must hold at least one runner. Received: "
            f"runner={runner}"
        )
    return [_check_runner(each) for each in runner]


def _check_runner(runner):
    if isinstance(runner, type):
        raise TypeError(
            "Argument `runner` must be an instance, such as "
            "keras_eff.latency.LiteRT(), not a class. Received: runner="
            f"{runner.__module__}.{runner.__qualname__}"
        )
    if not callable(runner):
        expected = "a callable `runner(path, num_threads, num_runs)`"
        raise arguments.wrong_type("runner", runner, expected)
    return runner


def _check_takes_shapes(runner):
    try:
        inspect.signature(runner).bind("", 1, 1, input_shapes=())
    except TypeError as error:
        raise TypeError(
            "Argument `input_shapes` needs a runner that takes it: "
            "`runner(path, num_threads, num_runs, input_shapes=None)`. "
            f"Received: runner={arguments.described(runner)}"
        ) from error
