"""Layers that compute `scale * x + offset`, in float64."""

import keras
import numpy as np
from keras import ops


def affine_terms(layer) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset of a layer at inference, as it broadcasts them.

    Args:
        layer: Built `BatchNormalization`, `Normalization` or `Rescaling`.
    """
    name = type(layer).__name__
    if name == "Rescaling":
        return _array(layer.scale), _array(layer.offset)
    if name == "Normalization":
        return _normalization_terms(layer)
    return _batch_norm_terms(layer)


def is_scaling(layer) -> bool:
    """Whether a layer multiplies by one positive number and adds nothing.

    It leaves the integers of a quantized tensor as they are.
    """
    if type(layer).__name__ not in ("Normalization", "Rescaling"):
        return False
    scale, offset = affine_terms(layer)
    return bool(np.all(offset == 0) and np.ptp(scale) == 0 and scale.min() > 0)


def scales_features(layer) -> bool:
    """Whether a layer scales some features by other numbers than others."""
    name = type(layer).__name__
    if name not in ("BatchNormalization", "Normalization", "Rescaling"):
        return False
    return layer.built and any(np.size(x) > 1 for x in affine_terms(layer))


def _normalization_terms(layer):
    mean, deviation = _array(layer.mean), np.sqrt(_array(layer.variance))
    deviation = np.maximum(deviation, keras.config.epsilon())
    if layer.invert:
        return deviation, mean
    return 1.0 / deviation, -mean / deviation


def _batch_norm_terms(layer):
    scale = 1.0 / np.sqrt(_array(layer.moving_variance) + layer.epsilon)
    if layer.gamma is not None:
        scale *= _array(layer.gamma)
    offset = -_array(layer.moving_mean) * scale
    if layer.beta is not None:
        offset += _array(layer.beta)
    return scale, offset


def _array(values):
    return np.asarray(ops.convert_to_numpy(values), "float64")
