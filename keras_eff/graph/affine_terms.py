"""Layers that compute `scale * x + offset`, in float64."""

import keras
import numpy as np
from keras import ops

from keras_eff.graph.book import entry_of


def affine_terms(layer) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset of a layer at inference, as it broadcasts them."""
    return entry_of(layer).affine(layer)


def is_scaling(layer) -> bool:
    """Whether a layer multiplies by one positive number and adds nothing.

    It leaves the integers of a quantized tensor as they are.
    """
    entry = entry_of(layer)
    if entry.affine is None or entry.kind != "affine":
        return False
    scale, offset = affine_terms(layer)
    return bool(np.all(offset == 0) and np.ptp(scale) == 0 and scale.min() > 0)


def scales_features(layer) -> bool:
    """Whether a layer scales some features by other numbers than others."""
    if entry_of(layer).affine is None or not layer.built:
        return False
    return any(np.size(x) > 1 for x in affine_terms(layer))


def rescaling_terms(layer):
    return _array(layer.scale), _array(layer.offset)


def normalization_terms(layer):
    mean, deviation = _array(layer.mean), np.sqrt(_array(layer.variance))
    deviation = np.maximum(deviation, keras.config.epsilon())
    if layer.invert:
        return deviation, mean
    return 1.0 / deviation, -mean / deviation


def batch_norm_terms(layer):
    scale = 1.0 / np.sqrt(_array(layer.moving_variance) + layer.epsilon)
    if layer.gamma is not None:
        scale *= _array(layer.gamma)
    offset = -_array(layer.moving_mean) * scale
    if layer.beta is not None:
        offset += _array(layer.beta)
    return scale, offset


def _array(values):
    return np.asarray(ops.convert_to_numpy(values), "float64")
