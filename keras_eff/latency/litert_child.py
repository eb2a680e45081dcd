"""What LiteRT does in its child process: it must not import keras_eff."""

import gc
import importlib.metadata
import pathlib
import re
import sys
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.interpreter import OpResolverType


def main(payload):
    try:
        return _measure(**payload)
    except (ValueError, RuntimeError) as error:
        kind = ValueError if isinstance(error, ValueError) else RuntimeError
        raise kind(
            f"LiteRT cannot run the file: {str(error).strip()}\n"
            f"Received: path={payload['path']}"
        ) from error


def _measure(
    path,
    input_shapes,
    num_threads,
    num_runs,
    warmup_runs,
    warmup_min_s,
    use_xnnpack,
):
    # NumPy loads its random module at the first use: before the baseline.
    generator = np.random.default_rng(0)
    memory_mb = _peak_memory_mb()
    start_ns = time.perf_counter_ns()
    interpreter = _load(path, num_threads, use_xnnpack, input_shapes)
    init_ms = (time.perf_counter_ns() - start_ns) / 1e6
    _fill_inputs(interpreter, generator)
    _warm_up(interpreter, warmup_runs, warmup_min_s)
    return {
        "times_ms": _time_runs(interpreter, num_runs),
        "init_ms": init_ms,
        "peak_memory_mb": memory_mb and _peak_memory_mb() - memory_mb,
        "version": importlib.metadata.version("ai-edge-litert"),
    }


def _load(path, num_threads, use_xnnpack, input_shapes=None):
    resolvers = {
        True: OpResolverType.AUTO,
        False: OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    }
    interpreter = Interpreter(
        path,
        num_threads=num_threads,
        experimental_op_resolver_type=resolvers[use_xnnpack],
    )
    details = interpreter.get_input_details()
    for number, detail in enumerate(details):
        if -1 in detail["shape_signature"]:
            given = input_shapes and input_shapes[number]
            shape = given or _with_batch_1(detail)
            interpreter.resize_tensor_input(detail["index"], shape)
    interpreter.allocate_tensors()
    return interpreter


def _with_batch_1(detail):
    batch, *others = detail["shape_signature"].tolist()
    if -1 in others:
        raise ValueError(
            f"it leaves dimensions of its input {detail['name']!r} open, of "
            f"shape {[batch, *others]}: give `input_shapes`, or write it with "
            "fixed ones"
        )
    return [1 if batch == -1 else batch, *others]


def _fill_inputs(interpreter, generator):
    for detail in interpreter.get_input_details():
        value = _draw(generator, detail["dtype"], detail["shape"])
        interpreter.set_tensor(detail["index"], value.astype(detail["dtype"]))


def _draw(generator, dtype, shape):
    if dtype in (np.int8, np.uint8):
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max + 1, tuple(shape))
    if np.issubdtype(dtype, np.integer) or dtype == np.bool_:
        return generator.integers(0, 2, tuple(shape))
    if np.issubdtype(dtype, np.floating):
        return generator.uniform(-1.0, 1.0, tuple(shape))
    raise ValueError(
        "Every input must hold numbers or booleans. Received: an input of type "
        f"{np.dtype(dtype).name}."
    )


def _warm_up(interpreter, runs, min_s):
    end_s = time.perf_counter() + min_s
    while runs > 0 or time.perf_counter() < end_s:
        interpreter.invoke()
        runs -= 1


def _time_runs(interpreter, num_runs):
    gc.disable()
    times_ns = []
    for _ in range(num_runs):
        start_ns = time.perf_counter_ns()
        interpreter.invoke()
        times_ns.append(time.perf_counter_ns() - start_ns)
    return [time_ns / 1e6 for time_ns in times_ns]


def _peak_memory_mb():
    """Returns the peak resident memory of this process, or None if unknown."""
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    # Not ru_maxrss: on Linux a child starts with its parent's.
    status = pathlib.Path("/proc/self/status")
    text = status.read_text() if status.exists() else ""
    peak = re.search(r"^VmHWM:\s*(\d+) kB$", text, re.MULTILINE)
    return int(peak.group(1)) * 1024 / 1e6 if peak else None
