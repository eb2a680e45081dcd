import contextlib
import dataclasses
import os
import pathlib

from absl import logging

from keras_eff.arguments import read_choice
from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.atomic_write import atomic_write
from keras_eff.atomic_write import check_path
from keras_eff.atomic_write import temporary_folder
from keras_eff.edgetpu.compiler import arguments
from keras_eff.edgetpu.compiler import explain
from keras_eff.edgetpu.compiler import find_compiler
from keras_eff.edgetpu.compiler import how_to_compile
from keras_eff.edgetpu.compiler import run_compiler
from keras_eff.edgetpu.compiler_log import EdgeTpuLog
from keras_eff.edgetpu.compiler_log import read_edgetpu_log
from keras_eff.edgetpu.lint import lint_edgetpu
from keras_eff.edgetpu.report import EdgeTpuReport
from keras_eff.export.arguments import check_backend
from keras_eff.export.to_tflite import to_tflite
from keras_eff.graph.walk import check_graph
from keras_eff.layers import FakeQuant
from keras_eff.layers.cloning import layers_of
from keras_eff.tflite.flatbuffer import read

_WITHOUT_COMPILER = ("error", "warn")
_SUFFIX = "_edgetpu"


def to_edgetpu(
    model_or_path,
    path,
    samples=None,
    num_segments=1,
    *,
    compiler=None,
    without_compiler="error",
    timeout_s=600.0,
) -> EdgeTpuReport:
    """Writes a model as a file for the Edge TPU, as in Coral's devices.

    A Keras model first becomes an int8 file of batch 1, which is kept beside
    the compiled one: `m_int8.tflite` for a `path` of `m_edgetpu.tflite` or
    `m.tflite`. For other options of the int8 file, write it with
    `keras_eff.export.to_tflite` and pass its path.

    The int8 file is checked with `keras_eff.export.lint_edgetpu`, then
    compiled with `edgetpu_compiler` 16.0, a program of its own that is in no
    Python package. Only what compiled, with at least one operation on the
    Edge TPU, appears at `path`; whatever was there before stays otherwise.

    Args:
        model_or_path: Built `keras.Sequential` or Functional model; or path
            of a .tflite file, which is read and left as it is.
        path: Path of the compiled file, in a directory that exists.
        samples: As in `keras_eff.export.to_tflite`: needed to quantize a
            float model; not taken with a .tflite file.
        num_segments: Positive integer, how many files to split the model
            into, for as many Edge TPUs in a row. Above 1 they are named as
            the compiler names them, beside `path`, which itself is not
            written: `m_segment_0_of_2_edgetpu.tflite` for
            `m_edgetpu.tflite`.
        compiler: Path or name of the compiler. Defaults to what the
            environment variable `KERAS_EFF_EDGETPU_COMPILER` names, else to
            `edgetpu_compiler` on the PATH.
        without_compiler: "error" or "warn", what happens where there is no
            compiler. The int8 file is there all the same, and the message
            says how to compile it elsewhere.
        timeout_s: Positive number, the time that the compiler may take, in
            seconds.

    Returns:
        A `keras_eff.export.EdgeTpuReport`.

    Raises:
        TypeError: If `model_or_path` is neither a path nor a Keras 3 model.
        ValueError: If an argument is out of range, if `path` is the file that
            was given, or if nothing of the int8 file would map: it is not
            compiled then, nor kept.
        FileNotFoundError: If the given file or compiler does not exist.
        OSError: If `path` cannot be written.
        RuntimeError: If `keras_eff.export.to_tflite` or the compiler fails,
            if the compiler maps nothing, or if there is none.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> samples = np.linspace(-1.0, 1.0, 80, dtype="float32").reshape(10, 8)
    >>> report = keras_eff.export.to_edgetpu(
    ...     model, "dense_edgetpu.tflite", samples, without_compiler="warn"
    ... )
    >>> report.int8_path, report.mapped, report.total
    ('dense_int8.tflite', 1, 1)
    """
    is_path = isinstance(model_or_path, (str, os.PathLike))
    if not is_path:
        check_backend("keras_eff.export.to_edgetpu")
    num_segments = read_integer("num_segments", num_segments, 1)
    read_choice("without_compiler", without_compiler, _WITHOUT_COMPILER)
    timeout_s = read_number("timeout_s", timeout_s, "(0, inf)")
    targets = [check_path(target) for target in _targets(path, num_segments)]
    compiler = find_compiler(compiler)
    if is_path:
        report = _given(model_or_path, targets, samples)
    else:
        report = _converted(model_or_path, path, samples)
    if compiler is None:
        _report_absence(report, num_segments, without_compiler)
        return report
    compiled = _compile(compiler, report.int8_path, targets, timeout_s)
    paths = tuple(str(target) for target in targets)
    return dataclasses.replace(report, paths=paths, compiled=compiled)


def _targets(path, num_segments):
    """The files to write; paths that cannot be one are left to the check."""
    if num_segments == 1 or not isinstance(path, (str, os.PathLike)):
        return [path]
    path = pathlib.Path(path)
    stem = path.stem.removesuffix(_SUFFIX)
    return [path.with_name(n) for n in _compiled_names(stem, num_segments)]


def _compiled_names(stem, num_segments):
    """How the compiler names what it makes of `stem`.tflite."""
    if num_segments == 1:
        return [f"{stem}{_SUFFIX}.tflite"]
    return [
        f"{stem}_segment_{number}_of_{num_segments}{_SUFFIX}.tflite"
        for number in range(num_segments)
    ]


def _given(source, targets, samples):
    if samples is not None:
        raise ValueError(
            "A .tflite file is quantized already: leave `samples` at None. "
            f"Received: a path and samples of {type(samples).__name__}"
        )
    if os.path.realpath(source) in map(os.path.realpath, targets):
        raise ValueError(
            "Argument `path` must not be the file that is compiled. "
            f"Received: path={os.fspath(source)!r}"
        )
    return dataclasses.replace(_linted(source), int8_path=os.fspath(source))


def _converted(model, path, samples):
    check_graph(model, "keras_eff.export.to_edgetpu")
    path = pathlib.Path(path)
    stem = path.stem.removesuffix(_SUFFIX)
    target = check_path(path.with_name(f"{stem}_int8.tflite"))
    quantize = None if layers_of(model, FakeQuant) else "int8"
    with temporary_folder() as folder:
        written = folder / target.name
        conversion = to_tflite(model, written, quantize, samples)
        report = _linted(written)
        with atomic_write(target, written.read_bytes()):
            conversion = dataclasses.replace(conversion, path=str(target))
    return dataclasses.replace(
        report, int8_path=str(target), conversion=conversion
    )


def _linted(path):
    report = lint_edgetpu(path)
    if report.parses and report.mapped:
        return report
    raise ValueError(
        "At least one operation of the file must map to the Edge TPU. "
        f"Received: {pathlib.Path(path).name}:\n{report}"
    )


def _report_absence(report, num_segments, without_compiler):
    message = (
        f"There is no edgetpu_compiler. {report.int8_path} is ready for it: "
        f"{report.summary}. "
        f"{how_to_compile(report.int8_path, num_segments)}"
    )
    if without_compiler == "error":
        raise RuntimeError(message)
    logging.warning("%s", message)


def _compile(compiler, source, targets, timeout_s):
    """Moves what the compiler makes of a file to its targets."""
    source = pathlib.Path(source)
    with temporary_folder() as folder:
        argv = arguments(source.resolve(), folder, len(targets), timeout_s)
        text = run_compiler(compiler, argv, timeout_s)
        log = _read_log(text)
        stem = source.resolve().stem
        names = _compiled_names(stem, len(targets))
        contents = [_content(folder / n, text) for n in names]
        with contextlib.ExitStack() as stack:
            for target, content in zip(targets, contents, strict=True):
                stack.enter_context(atomic_write(target, content))
    return log


def _read_log(text) -> EdgeTpuLog:
    try:
        log = read_edgetpu_log(text)
    except ValueError as error:
        failure = "printed nothing that it is known to print"
        raise RuntimeError(explain(failure, text)) from error
    if not log.success:
        raise RuntimeError(explain("did not compile the file", text))
    counts = [model.tpu_operations for model in log.models]
    if counts and not any(count is None or count for count in counts):
        failure = "left all operations to the CPU"
        raise RuntimeError(explain(failure, text))
    return log


def _content(path, text):
    """The bytes of a file that the compiler wrote."""
    try:
        return read(path)
    except (FileNotFoundError, ValueError) as error:
        failure = f"did not write a .tflite file {path.name}"
        raise RuntimeError(explain(failure, text)) from error
