"""Checks of the arguments of `DistillationTeacher`."""

import keras

from keras_eff.arguments import read_number
from keras_eff.arguments import wrong_argument
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
        expected = f"a list with a weight for each of the {num_losses} losses"
        raise wrong_argument("distillation_loss_weights", weights, expected)
    weights_at(weights, 0)
    return list(weights)


def weight_at(name, weight, epoch, interval="[0, inf)"):
    """The weight in an epoch, of a number or a function of the epoch."""
    if callable(weight):
        return read_number(f"{name}({epoch})", weight(epoch), interval)
    also = "or a function of the epoch"
    return read_number(name, weight, interval, also=also)


def weights_at(weights, epoch):
    """The weight of each distillation loss in an epoch."""
    return [
        weight_at(f"distillation_loss_weights[{index}]", weight, epoch)
        for index, weight in enumerate(weights)
    ]


def pair_of(from_logits):
    if isinstance(from_logits, (list, tuple)):
        teacher, student = from_logits
        return teacher, student
    return from_logits, from_logits
