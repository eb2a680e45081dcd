import numpy as np
from absl import logging

from keras_eff.export.formats import FORMATS
from keras_eff.export.weight_rounding import round_weights
from keras_eff.graph.end_names import end_names
from keras_eff.graph.samples import roundings_of
from keras_eff.layers import FakeQuant
from keras_eff.layers import TransformedWeights
from keras_eff.layers.cloning import layers_of
from keras_eff.quantization.calibrate import set_ranges
from keras_eff.quantization.quantize import quantize

_NAMED = 8
# Elements: below, a scale per channel and an operator outweigh what is saved.
SMALLEST_WEIGHT = 256


def prepare(
    model,
    name: str,
    samples,
    method: str,
    io_dtype: str | None = None,
    verbose="auto",
):
    """The Keras model that a file is to compute, number for number.

    The model itself, or a clone of it that rounds, for a format to which a
    float model is quantized here.

    `samples`: list of arrays, one for each input, or None. `io_dtype`: type of
    the float inputs and the outputs of the file; None is that of its integers.
    """
    layers = layers_of(model, FakeQuant)
    if layers:
        _check_aware(model, layers, name)
        warn_of_lost_features(model, samples)
        return model
    chosen = FORMATS[name]
    if chosen.is_weight_only:
        return round_weights(model, chosen.rounded_bits, SMALLEST_WEIGHT)
    if chosen.rounded_bits is None:
        return model
    aware = quantize(model, chosen.rounded_bits, io_dtype=io_dtype)
    set_ranges(aware, samples, method, verbose=verbose)
    warn_of_lost_features(aware, samples)
    return aware


def weight_bits(model) -> list[int]:
    """The widths of the weights that a model rounds, in ascending order."""
    chains = layers_of(model, TransformedWeights)
    grids = [grid for chain in chains for grid in chain.grids().values()]
    return sorted({grid.num_bits for grid in grids})


def _check_aware(model, layers, name):
    unseen = [layer.name for layer in layers if not layer.calibrated]
    if unseen:
        raise ValueError(
            "Every `FakeQuant` must have seen data: train the model, or call "
            f"`keras_eff.calibrate`. Received: no range in {unseen}"
        )
    widths = {layer.num_bits for layer in layers}
    if widths - {8}:
        raise ValueError(
            "Files are written for activations of 8 bits. Received: "
            f"`FakeQuant` layers with num_bits={sorted(widths)}"
        )
    if name == "int4" and not any(n <= 4 for n in weight_bits(model)):
        raise ValueError(
            "A file of 4 bits needs a model with weights of 4 bits or fewer: "
            "call `keras_eff.quantize` with `num_bits=4`, for all layers or "
            f"some. Received: weights of {weight_bits(model)} bits"
        )


def warn_of_lost_features(model, samples) -> None:
    """Warns of features that the one range of an input leaves no resolution.

    Those that vary over the samples, but by less than one step of the
    integers that hold them.
    """
    names, _ = end_names(model)
    for name, tensor, array in zip(
        names, model.inputs, samples or (), strict=False
    ):
        for rounding in roundings_of(model, tensor):
            low, high = rounding.range
            step = (high - low) / (2**rounding.num_bits - 1)
            lost = _within(array, step)
            if lost:
                logging.warning(
                    "Input %r: features %s vary by less than %.3g, the step "
                    "of the one integer range for all features, and are lost. "
                    "Scale the features alike; or put a `Normalization` first "
                    'and give `io_dtype="float32"`, to `keras_eff.quantize` '
                    "too",
                    name,
                    _listed(lost),
                    step,
                )


def _within(array, step):
    """The places on the last axis whose values differ, by less than a step."""
    if array.ndim < 2:
        return []
    rows = array.reshape(-1, array.shape[-1]).astype("float64")
    spreads = np.ptp(rows, axis=0)
    return np.flatnonzero((spreads > 0) & (spreads < 0.999 * step)).tolist()


def _listed(places):
    more = len(places) - _NAMED
    return f"{places[:_NAMED]}" + (f" and {more} more" if more > 0 else "")
