import contextlib

import keras
import numpy as np

from keras_eff.layers import FakeQuant
from keras_eff.ops.range_search import mse_range
from keras_eff.ops.range_search import percentile_range
from keras_eff.transforms.graph import layers_of
from keras_eff.transforms.samples import batches
from keras_eff.transforms.samples import check_samples

_METHODS = ("minmax", "percentile", "mse")
_BINS = 2048


def calibrate(
    model, samples, method="minmax", *, percentile=0.9999, batch_size=32
):
    """Sets the ranges of a model's `FakeQuant` layers from samples.

    With `keras_eff.quantize`, this is post-training quantization: a few
    hundred samples, no labels, no training. The model runs in inference mode,
    so statistics of batch normalization stay as they are; layers with a
    `fixed_range` keep it. Training may go on from the ranges found.

    Args:
        model: `keras.Model` with `keras_eff.layers.FakeQuant` layers, from
            `keras_eff.quantize` or placed by hand. Its ranges are set in place.
        samples: Array of shape (samples, ...), or a list or dict of arrays for
            several inputs, in the model's own units and dtypes.
        method: "minmax", the smallest and largest value seen; "percentile",
            all but the rarest values; "mse", the range with the least squared
            rounding and clipping error. The last two run the samples twice.
        percentile: Float in (0, 1], share of the values that stay inside the
            range of method "percentile".
        batch_size: Integer, samples per step.

    Returns:
        `model`.

    Raises:
        ValueError: If there are no samples, they do not fit the model or are
            not finite, `method` is unknown, or the model has no `FakeQuant`.

    Example:

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    >>> quantized = keras_eff.quantize(model)
    >>> samples = np.linspace(-1.0, 1.0, 80, dtype="float32").reshape(10, 8)
    >>> keras_eff.calibrate(quantized, samples).layers[1].range
    (-1.0, 1.0)
    """
    if method not in _METHODS:
        raise ValueError(
            f"Argument `method` must be one of {_METHODS}. "
            f"Received: method={method!r}"
        )
    if not 0.0 < percentile <= 1.0:
        raise ValueError(
            "Argument `percentile` must be a float in (0, 1]. "
            f"Received: percentile={percentile!r}"
        )
    samples = check_samples(model, samples)
    layers = _layers_to_calibrate(model)
    extremes = {layer: _Extremes() for layer in layers}
    _observe(model, samples, batch_size, extremes)
    ranges = {layer: seen.range for layer, seen in extremes.items()}
    if method != "minmax":
        histograms = {layer: _Histogram(*ranges[layer]) for layer in layers}
        _observe(model, samples, batch_size, histograms)
        ranges = {
            layer: _clipped(method, seen, percentile, layer.num_bits)
            for layer, seen in histograms.items()
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


def _observe(model, samples, batch_size, observers):
    """Runs the model on the samples with an observer in each layer."""
    with contextlib.ExitStack() as stack:
        for layer, observer in observers.items():
            layer.observer = observer
            stack.callback(setattr, layer, "observer", None)
        for batch in batches(model, samples, batch_size):
            model(batch, training=False)


def _clipped(method, histogram, percentile, num_bits):
    counts, edges = histogram.counts, histogram.edges
    if method == "percentile":
        return percentile_range(counts, edges, percentile)
    return mse_range(counts, edges, num_bits)


class _Extremes:
    """The smallest and largest value seen, and 0."""

    def __init__(self):
        self.range = (0.0, 0.0)

    def __call__(self, tensor):
        values = keras.ops.convert_to_numpy(tensor)
        low, high = float(values.min()), float(values.max())
        if not np.isfinite(high - low):
            raise ValueError(
                "The model computes NaN or infinity from these samples. "
                f"Received: a tensor of shape {values.shape} with range "
                f"({low}, {high})"
            )
        self.range = (min(self.range[0], low), max(self.range[1], high))


class _Histogram:
    """How many values fell into each of equal bins over a range."""

    def __init__(self, low, high):
        self.edges = np.linspace(low, max(high, low + 1e-6), _BINS + 1)
        self.counts = np.zeros(_BINS)

    def __call__(self, tensor):
        values = keras.ops.convert_to_numpy(tensor)
        self.counts += np.histogram(values, self.edges)[0]
