import numpy as np
from absl import logging

from keras_eff.graph.end_names import end_names
from keras_eff.graph.samples import roundings_of

_NAMED = 8


def warn_of_lost_features(model, samples) -> None:
    """Warns of features that the one range of an input leaves no resolution.

    Those that vary over the samples, but by less than one step of the
    integers that hold them.

    Args:
        model: Model with `FakeQuant` layers.
        samples: List of arrays, one for each input, or None.
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
