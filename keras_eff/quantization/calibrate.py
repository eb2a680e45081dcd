import contextlib

import keras
import numpy as np

from keras_eff.arguments import read_choice
from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.graph.poor_samples import warn_of_poor_samples
from keras_eff.graph.progress import check_verbose
from keras_eff.graph.progress import progress
from keras_eff.graph.samples import batches
from keras_eff.graph.samples import check_samples
from keras_eff.graph.walk import check_graph
from keras_eff.layers import FakeQuant
from keras_eff.layers.cloning import layers_of
from keras_eff.ops.range_search import mse_range
from keras_eff.ops.range_search import percentile_range

_METHODS = ("minmax", "percentile", "mse")
_BINS = 2048


def calibrate(
    model,
    samples,
    method="minmax",
    *,
    percentile=0.9999,
    batch_size=32,
    verbose="auto",
) -> keras.Model:
    """Sets the ranges of a model's `FakeQuant` layers from samples.

    With `keras_eff.quantize`, this is post-training quantization: a few
    hundred samples, no labels, no training. The activations that are observed
    are those before any rounding but that of weights and of fixed ranges. The
    model runs in inference mode, so statistics of batch normalization stay as
    they are; layers with a `fixed_range` keep it. Training may go on from the
    ranges found.

    Args:
        model: Sequential or Functional model with `keras_eff.layers.FakeQuant`
            layers, from `keras_eff.quantize` or placed by hand. Its ranges are
            set in place, all of them or, after an error, none.
        samples: Array of shape (samples, ...), or a list or dict of arrays for
            several inputs, in the model's own units and dtypes. Or what
            `fit` takes: a `tf.data.Dataset`, a `keras.utils.PyDataset`, a
            generator or a function that returns one, in batches or sample by
            sample, labels left out: the first 512 samples, in whole batches,
            are used. Or a tuple `(x, y)`, or a list of samples. A warning tells
            of samples that are constant, all the same, far outside of the
            model's fixed range or small in it, or so uneven that most values
            are less than one step of 8 bits.
        method: "minmax", the smallest and largest value seen; "percentile",
            all but the rarest values; "mse", the range with the least squared
            rounding and clipping error. The last two run the samples twice.
        percentile: Float in (0, 1], share of the values that stay inside the
            range of method "percentile"; as many are left out at either end.
        batch_size: Positive integer, samples per step.
        verbose: 0, silent; 1, a progress bar; "auto", a progress bar once it
            takes longer than two seconds, on a terminal or in a notebook.

    Returns:
        `model`.

    Raises:
        TypeError: If `model` is not a Keras 3 model.
        ValueError: If there are no samples, they do not fit the model or are
            not finite, the model computes NaN or infinity from them or has no
            `FakeQuant`, or an argument is out of range.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> quantized = keras_eff.quantize(model)
    >>> samples = np.linspace(-1.0, 1.0, 80, dtype="float32").reshape(10, 8)
    >>> keras_eff.calibrate(quantized, samples).layers[1].range
    (-1.0, 1.0)
    """
    check_graph(model, "keras_eff.calibrate")
    samples = check_samples(model, samples)
    set_ranges(
        model,
        samples,
        method,
        percentile=percentile,
        batch_size=batch_size,
        verbose=verbose,
    )
    warn_of_poor_samples(model, samples, finds_ranges=True)
    return model


def set_ranges(
    model,
    samples: list[np.ndarray],
    method="minmax",
    *,
    percentile=0.9999,
    batch_size=32,
    verbose="auto",
) -> keras.Model:
    """What `calibrate` does with samples that have been checked."""
    read_choice("method", method, _METHODS)
    percentile = read_number("percentile", percentile, "(0, 1]")
    batch_size = read_integer("batch_size", batch_size, 1)
    check_verbose(verbose)
    layers = _layers_to_calibrate(model)
    passes = 1 if method == "minmax" else 2
    advance = progress(passes * -(-len(samples[0]) // batch_size), verbose)

    def observe(observers):
        with _attached(observers):
            for batch in batches(model, samples, batch_size):
                # So that seeds and other state stay as they are.
                with keras.StatelessScope():
                    model(batch, training=False)
                advance()
        return {k: x for k, x in observers.items() if x.has_seen_data}

    seen = observe({layer: _Extremes() for layer in layers})
    ranges = {layer: (x.low, x.high) for layer, x in seen.items()}
    if method != "minmax":
        seen = observe({k: _Histogram(*bounds) for k, bounds in ranges.items()})
        ranges = {
            layer: _clipped(method, x, percentile, layer.num_bits)
            for layer, x in seen.items()
        }
    for layer, (low, high) in ranges.items():
        layer.set_range(low, high)
    return model


def _layers_to_calibrate(model):
    layers = layers_of(model, FakeQuant)
    if not layers:
        raise ValueError(
            "`keras_eff.calibrate` needs a model with `FakeQuant` layers: "
            f"call `keras_eff.quantize` first. Received: {model.name!r}"
        )
    return [layer for layer in layers if layer.fixed_range is None]


@contextlib.contextmanager
def _attached(observers):
    """Has each layer call its observer in place of rounding."""
    for layer, observer in observers.items():
        layer.observer = observer
    try:
        yield
    finally:
        for layer in observers:
            layer.observer = None


def _clipped(method, histogram, percentile, num_bits):
    counts, edges = histogram.counts, histogram.edges
    if method == "percentile":
        return percentile_range(counts, edges, percentile)
    return mse_range(counts, edges, num_bits)


class _Extremes:
    """The smallest and largest value seen, and 0."""

    def __init__(self):
        self.low = self.high = 0.0
        self.has_seen_data = False

    def __call__(self, tensor):
        values = keras.ops.convert_to_numpy(tensor)
        low, high = float(values.min()), float(values.max())
        if not np.isfinite(high - low):
            raise ValueError(
                "The model computes NaN or infinity from these samples. "
                f"Received: a tensor of shape {values.shape} with range "
                f"({low}, {high})"
            )
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.has_seen_data = True


class _Histogram:
    """How many values fell into each of equal bins over a range."""

    has_seen_data = True

    def __init__(self, low, high):
        self.bounds = (low, max(high, low + 1e-6))
        self.edges = np.linspace(*self.bounds, _BINS + 1)
        self.counts = np.zeros(_BINS)

    def __call__(self, tensor):
        values = keras.ops.convert_to_numpy(tensor)
        # Several times faster than with the edges themselves.
        self.counts += np.histogram(values, _BINS, self.bounds)[0]
