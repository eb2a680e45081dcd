"""Checks of the arguments of `DistillationTeacher`."""

import numbers

import keras

from keras_eff.distillation.followed_loss import FollowedLoss


def checked_losses(losses):
    if losses is None:
        losses = FollowedLoss()
    losses = losses if isinstance(losses, (list, tuple)) else [losses]
    for loss in losses:
        if not isinstance(loss, keras.distillation.DistillationLoss):
            raise TypeError(
                "Argument `distillation_losses` must hold "
                "`keras.distillation.DistillationLoss`. "
                f"Received: {type(loss).__module__}.{type(loss).__name__}"
            )
    if not losses:
        raise ValueError(
            "Argument `distillation_losses` must hold a loss or more. "
            "Received: distillation_losses=[]"
        )
    return list(losses)


def checked_weights(weights, num_losses):
    if weights is None:
        return [1.0] * num_losses
    is_list = isinstance(weights, (list, tuple))
    if not is_list or len(weights) != num_losses:
        raise ValueError(
            "Argument `distillation_loss_weights` must be a list with a weight "
            f"for each of the {num_losses} losses. "
            f"Received: distillation_loss_weights={weights!r}"
        )
    for weight in weights:
        weight_at(weight, 0)
    return list(weights)


def weight_at(weight, epoch):
    found = weight(epoch) if callable(weight) else weight
    if not isinstance(found, numbers.Real) or not found >= 0:
        raise ValueError(
            "The weight of a distillation loss must be a float, 0 or more. "
            f"Received: {found!r} in epoch {epoch}"
        )
    return float(found)


def student_weight_at(weight, epoch):
    found = weight(epoch) if callable(weight) else weight
    if not isinstance(found, numbers.Real) or not 0 <= found <= 1:
        raise ValueError(
            "Argument `student_loss_weight` must be a float in [0, 1], in "
            f"each epoch. Received: {found!r} in epoch {epoch}"
        )
    return float(found)


def pair_of(from_logits):
    if isinstance(from_logits, (list, tuple)):
        teacher, student = from_logits
        return teacher, student
    return from_logits, from_logits
