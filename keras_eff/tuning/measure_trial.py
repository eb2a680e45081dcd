import importlib.metadata
import importlib.util
import math
import os
import re

import keras
import tensorflow as tf

from keras_eff.arguments import read_number
from keras_eff.atomic_write import temporary_folder
from keras_eff.export.arguments import check_backend
from keras_eff.export.input_shapes import fixed_shapes
from keras_eff.export.to_tflite import to_tflite
from keras_eff.graph.samples import check_samples
from keras_eff.graph.samples import random_samples
from keras_eff.graph.walk import check_graph
from keras_eff.latency.measure import measure
from keras_eff.latency.this_machine import describe_device
from keras_eff.layers import FakeQuant
from keras_eff.layers.cloning import copy_state
from keras_eff.layers.cloning import layers_of
from keras_eff.quantization.calibrate import set_ranges
from keras_eff.tuning.architecture_key import architecture_key
from keras_eff.tuning.measurement_cache import MeasurementCache

_RANDOM_SAMPLES = 16
_SAMPLES = 64
_DEFAULT_RUNNER = "KERAS_EFF_BENCHMARK_MODEL"


def measure_trial(
    model,
    samples=None,
    runner=None,
    *,
    quantize=None,
    num_threads=1,
    num_runs=50,
    max_latency_ms=None,
    max_size_bytes=None,
    cache=None,
    input_shapes=None,
) -> dict[str, float]:
    """Returns what a model costs on the device, for a trial of a search.

    Call it in `HyperModel.fit`, before training: the model is exported as it
    is, and its file measured. Latency does not depend on the weights, so that
    an architecture is measured once, and later trials of it take no time.
    Names, initializers, regularizers, constraints, seeds and rates of dropout
    do not make another architecture; the format, the runner, this machine
    and the versions of the software do.

    Sizes depend on the weights as far as these compress: `gzip_bytes` is that
    of the first model with the architecture, and `size_bytes` grows by the few
    constants, such as biases, that are equal before training and stored once.
    A model that is pruned or clustered is smaller after training: see
    `keras_eff.export.inspect`.

    Training on the processor that is measured disturbs it: with several
    workers on one machine, measure on the device.

    Args:
        model: Built `keras.Sequential` or Functional model, trained or not. It
            is left as it is.
        samples: Array of shape (samples, ...), or a list or dict of arrays, to
            find ranges of integers; 64 are used. By default, random ones: what
            the file computes is not looked at.
        runner: What measures, see `keras_eff.latency.measure`; one, not a
            list. Two with one `repr` are the same to the cache, so name the
            device: `Android(serial)`, not `Android()`, if it may be another.
        quantize: Format of the file, see `keras_eff.export.to_tflite`. A model
            with `FakeQuant` layers becomes a file of integers with `None`;
            ranges that have seen no data are found on a copy of it.
        num_threads: Integer >= 1, threads that the runtime may use.
        num_runs: Integer >= 1, number of runs to time.
        max_latency_ms: Float > 0, latency above which the trial fails, in
            milliseconds, or `None`.
        max_size_bytes: Integer > 0, size of the file above which the trial
            fails, in bytes, or `None`.
        cache: Path of a directory that keeps the figures for other processes
            and later searches, made if there is none. By default, this
            process keeps them.
        input_shapes: Shapes of the inputs of the file, see
            `keras_eff.export.to_tflite`: needed where the model leaves some
            open and there are no samples.

    Returns:
        Dictionary of numbers, to be returned by `HyperModel.fit` together with
        the objective: "latency_ms", the median, in milliseconds; "size_bytes";
        "gzip_bytes", the size after gzip; "num_parameters", weights of the
        Keras model.

    Raises:
        keras_tuner.errors.FailedTrialError: If a limit is exceeded. The
            trial is marked as FAILED, and never tried again. Three in a row
            end the search: give the tuner a `max_consecutive_failed_trials`
            as large as `max_trials`, or leave the limits out, compare what is
            returned, and return the worst score, from which
            `BayesianOptimization` learns.
        TypeError: If an argument has the wrong type.
        ValueError: If an argument is out of range or does not fit the model.
        ImportError: If there is a limit, and no keras-tuner.
        OSError: If `cache` cannot be written.
        RuntimeError: If the conversion or the measurement fails, or the
            runner tells no median.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> figures = keras_eff.tuning.measure_trial(model)
    >>> figures["num_parameters"], figures["latency_ms"] > 0.0
    (36, True)
    """
    check_backend("keras_eff.tuning.measure_trial")
    check_graph(model, "keras_eff.tuning.measure_trial")
    _check_limit("max_latency_ms", max_latency_ms)
    _check_limit("max_size_bytes", max_size_bytes)
    _check_runner(runner)
    given = None if samples is None else check_samples(model, samples)
    shapes = fixed_shapes(model, input_shapes, given)
    store = MeasurementCache(cache)
    key = architecture_key(
        model,
        quantize=quantize,
        counts=(num_threads, num_runs),
        runner=_name(runner),
        shapes=shapes,
        device=describe_device(),
        versions=(tf.__version__, importlib.metadata.version("ai-edge-litert")),
    )
    figures = store.get(key)
    if figures is None:
        options = (num_threads, num_runs, runner)
        figures = _measure(model, given, shapes, quantize, options)
        store.put(key, figures)
    _check_limits(figures, max_latency_ms, max_size_bytes)
    return figures


def _measure(model, given, shapes, quantize, options):
    prepared, samples = _prepare(model, given, shapes)
    with temporary_folder() as folder:
        path = folder / "trial.tflite"
        # The file of untrained weights is measured, not used.
        report = to_tflite(
            prepared,
            path,
            quantize,
            samples,
            tolerance=math.inf,
            input_shapes=shapes,
            min_agreement=0.0,
        )
        latency = measure(path, *options)
    if latency.median_ms is None:
        raise RuntimeError(
            "The runner tells no median, as older builds of benchmark_model "
            f"do not: use a newer one. Received: runner={latency.runner!r}"
        )
    return {
        "latency_ms": latency.median_ms,
        "size_bytes": report.size_bytes,
        "gzip_bytes": report.gzip_bytes,
        "num_parameters": model.count_params(),
    }


def _prepare(model, given, shapes):
    """A model whose ranges are known, and samples of its inputs."""
    layers = layers_of(model, FakeQuant)
    is_unseen = not all(layer.calibrated for layer in layers)
    if is_unseen:
        model = _copy_with_ranges(model)
    if given is None:
        given = random_samples(model, _RANDOM_SAMPLES, shapes)
    chosen = [array[:_SAMPLES] for array in given]
    return set_ranges(model, chosen) if is_unseen else model, chosen


def _copy_with_ranges(model):
    copy = keras.models.clone_model(model)
    copy_state(model, copy)
    for layer in layers_of(copy, FakeQuant):
        if not layer.calibrated:
            # Random samples of an input are drawn from its range.
            layer.set_range(-1.0, 1.0)
    return copy


def _name(runner):
    """What tells a runner from others, in this process and the next."""
    if runner is None:
        return f"{_DEFAULT_RUNNER}={os.environ.get(_DEFAULT_RUNNER)}"
    module = getattr(runner, "__module__", "")
    return f"{module} {re.sub(' at 0x[0-9a-f]+', '', repr(runner))}"


def _check_runner(runner):
    if isinstance(runner, list | tuple):
        raise TypeError(
            "Argument `runner` must be one runner: call "
            "`keras_eff.tuning.measure_trial` once for each device. "
            f"Received: runner={runner}"
        )


def _check_limit(name, limit):
    if limit is None:
        return
    read_number(name, limit, "(0, inf)")
    if importlib.util.find_spec("keras_tuner") is None:
        raise ImportError(
            f"Argument `{name}` fails a trial of keras-tuner: "
            "pip install 'keras_eff[search]'"
        )


def _check_limits(figures, max_latency_ms, max_size_bytes):
    limits = {"latency_ms": max_latency_ms, "size_bytes": max_size_bytes}
    exceeded = [
        f"{name}={figures[name]:.6g} > max_{name}={limit:.6g}"
        for name, limit in limits.items()
        if limit is not None and figures[name] > limit
    ]
    if exceeded:
        # Takes seconds, and only searches need it.
        from keras_tuner.errors import FailedTrialError

        raise FailedTrialError(
            f"The model is over the limit before training: "
            f"{', '.join(exceeded)}. Received: {figures}"
        )
