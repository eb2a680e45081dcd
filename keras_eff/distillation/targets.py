"""What `y` of a distilling `fit` holds."""

import keras
from keras import ops

from keras_eff.distillation.distillation_loss import of_rank

_TARGETS = {"labels", "teacher", "labelled"}


def unpacked(x, y, weight):
    """Labels or None and their weight, what the teacher takes, its weight."""
    if not _is_told(y):
        return y, weight, x, weight
    if not isinstance(weight, dict):
        weight = dict.fromkeys(y, weight)
    # Keras copies a weight for each array in `y`.
    weight_of_labels = weight.get("labels", weight.get("teacher"))
    return (
        y.get("labels"),
        _of_labelled(weight_of_labels, y.get("labels"), y.get("labelled")),
        y.get("teacher", x),
        weight_of_labels,
    )


def _is_told(y):
    """Whether `y` says what is for the teacher, or which labels count."""
    if not isinstance(y, dict):
        return False
    return y.keys() == {"labels", "labelled"} or (
        y.keys() <= _TARGETS and "teacher" in y
    )


def _of_labelled(weight, labels, labelled):
    if labelled is None:
        return weight
    counts = ops.cast(labelled, "float32")
    if weight is None:
        return keras.tree.map_structure(lambda _: counts, labels)
    return keras.tree.map_structure(
        lambda w: w * of_rank(counts, len(w.shape)), weight
    )


def has_outputs(y) -> bool:
    """Whether `y` says what is for the teacher."""
    return _is_told(y) and "teacher" in y
