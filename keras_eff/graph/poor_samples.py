"""Samples that cannot be what a model is used on."""

import warnings

import numpy as np

from keras_eff.graph.end_names import end_names
from keras_eff.graph.samples import roundings_of

_STEPS = 255
_MOST_OUTSIDE = 0.25
_LEAST_FILLED = 1 / 64


def warn_of_poor_samples(
    model, samples: list[np.ndarray], finds_ranges: bool
) -> None:
    """Warns of samples that tell nothing of the data that a model is used on.

    Of inputs of integers, such as masks and types of tokens, one may well be
    constant beside others: it counts where all inputs are.

    `finds_ranges`: boolean, whether ranges are to be taken from them. If not,
    they are also compared with the ranges that the model has.
    """
    names, _ = end_names(model)
    found = {}
    for name, tensor, array in zip(names, model.inputs, samples, strict=True):
        fault = _sameness(array, 1 / _STEPS if finds_ranges else 0.0)
        if array.dtype.kind == "f" and fault is None:
            ranges = _ranges(model, tensor, finds_ranges)
            fault = _misfit(array, ranges) or (
                _outliers(array) if finds_ranges and not ranges else None
            )
        if fault:
            found[name] = fault
    if len(found) < len(names):
        found = {
            name: found[name]
            for name, array in zip(names, samples, strict=True)
            if name in found and array.dtype.kind == "f"
        }
    if found:
        several = len(names) > 1
        faults = [
            f"for input {name!r}, {fault}" if several else fault
            for name, fault in found.items()
        ]
        warnings.warn(
            "Argument `samples` should be real data of the model, a few "
            "hundred different ones: what is found with others does not hold "
            f"for it. Received: {'; '.join(faults)}",
            stacklevel=3,
        )


def _sameness(array, share):
    """What is wrong with samples that are one value, or one sample."""
    # As floats: differences of integers and booleans overflow.
    array = array.astype("float32")
    step = np.max(np.abs(array)) * share
    if np.ptp(array) <= step:
        return f"values of {array.flat[0]:.4g} throughout"
    if len(array) > 1 and np.max(np.ptp(array, axis=0)) <= step:
        return f"{len(array)} times the same sample"
    return None


def _ranges(model, tensor, finds_ranges):
    """The ranges to which the model rounds an input, and that stay."""
    return [
        layer.range
        for layer in roundings_of(model, tensor)
        if layer.fixed_range is not None
        or (layer.calibrated and not finds_ranges)
    ]


def _misfit(array, ranges):
    for low, high in ranges:
        margin = (high - low) / _STEPS
        outside = np.mean((array < low - margin) | (array > high + margin))
        if outside > _MOST_OUTSIDE:
            return (
                f"values of which {outside:.0%} are outside of the range "
                f"({low:.4g}, {high:.4g}) that the model gives this input"
            )
        if np.ptp(array) < _LEAST_FILLED * (high - low):
            return (
                f"values in ({array.min():.4g}, {array.max():.4g}), a small "
                f"part of the range ({low:.4g}, {high:.4g}) that the model "
                "gives this input"
            )
    return None


def _outliers(array):
    """What is wrong where few values of a feature, on the last axis, count.

    Of the one with the largest value: features in different units are another
    matter, see `warn_of_lost_features`.
    """
    features = array.shape[-1] if array.ndim > 1 else 1
    columns = np.abs(array.reshape(-1, features).T)
    sizes = max(columns, key=np.max)
    largest, median = np.max(sizes), np.median(sizes[sizes > 0])
    if median >= largest / _STEPS:
        return None
    return (
        f"values up to {largest:.4g}, of which half are below {median:.4g}, "
        f"zeros left out: less than one of the {_STEPS} steps of 8 bits"
    )
