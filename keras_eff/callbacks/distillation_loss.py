"""The value of a distillation loss, whatever its kind."""

import copy

import keras
from keras import ops

_LOGITS = keras.distillation.LogitsDistillation
_FEATURES = keras.distillation.FeatureDistillation


def names_of(losses, role) -> list[str]:
    """The layers of the "teacher" or the "student" that losses compare."""
    names = [getattr(loss, f"{role}_layer_name", None) for loss in losses]
    return list(dict.fromkeys(name for name in names if name))


def is_of_logits(loss) -> bool:
    return isinstance(loss, _LOGITS)


def mended(loss):
    """A loss of Keras, without its faults.

    Keras 3.15 makes of the default "kl_divergence" of `LogitsDistillation` a
    function that it does not recognise, and gives it logits, not
    probabilities. A `keras.losses.Loss` divides by the number of replicas
    where it takes the mean: here a replica has the mean of its own samples.
    """
    if not isinstance(loss, (_LOGITS, _FEATURES)):
        return loss
    kept = copy.copy(loss)
    if is_of_logits(loss):
        kept.loss = keras.tree.map_structure(_divergence, kept.loss)
    kept.loss = keras.tree.map_structure(_unreduced, kept.loss)
    return kept


def value(loss, teacher_outputs, student_outputs, weights=None):
    """The loss of a batch, its samples weighted.

    Args:
        loss: `keras.distillation.DistillationLoss`.
        teacher_outputs: Tensor or structure of tensors.
        student_outputs: The same of the student.
        weights: Optional tensor, a weight for each sample, or for each place
            of each sample.
    """
    _check_shapes(loss, teacher_outputs, student_outputs)
    pair = (teacher_outputs, student_outputs)
    if weights is None or not getattr(loss, "is_mean_of_samples", True):
        found = loss.compute_loss(*pair)
    else:
        found = _weighted(loss, pair, weights)
    if hasattr(loss, "learn"):
        loss.learn(*pair, weights)
    return found


def combined_weights(sample_weight, mask):
    """One weight for each sample, or for each place if there is a mask.

    As Keras weighs its own losses: a mean over what the mask leaves. Of the
    weights of several outputs, the mean.
    """
    given = [w for w in keras.tree.flatten(sample_weight) if w is not None]
    weight = None
    if given:
        weight = sum(ops.cast(w, "float32") for w in given) / len(given)
    if mask is None:
        return weight
    kept = ops.cast(mask, "float32")
    kept = kept / ops.maximum(ops.mean(kept), keras.config.epsilon())
    return kept if weight is None else kept * of_rank(weight, len(kept.shape))


def of_rank(weight, rank):
    """A tensor with axes of length 1 added, or taken away, at its end."""
    while len(weight.shape) > rank:
        weight = ops.squeeze(weight, axis=-1)
    missing = rank - len(weight.shape)
    return ops.reshape(weight, (*ops.shape(weight), *[1] * missing))


def _weighted(loss, pair, weights):
    leaves = keras.tree.flatten(pair)
    places = min(len(leaf.shape) for leaf in leaves) - 1
    rank = min(len(weights.shape), places)

    def samples(tensor):
        return ops.reshape(tensor, (-1, *tensor.shape[rank:]))

    def loss_of_one(one):
        teacher, student = keras.tree.map_structure(
            lambda tensor: ops.expand_dims(tensor, 0), one
        )
        return loss.compute_loss(teacher, student)

    flat = keras.tree.map_structure(samples, pair)
    losses = ops.vectorized_map(loss_of_one, flat)
    losses = ops.reshape(losses, ops.shape(leaves[0])[:rank])
    return ops.mean(losses * of_rank(weights, rank))


def _divergence(function):
    is_default = function is keras.losses.kl_divergence
    return keras.losses.KLDivergence() if is_default else function


def _unreduced(function):
    means = ("sum_over_batch_size", "mean", "mean_with_sample_weight")
    if getattr(function, "reduction", None) not in means:
        return function
    kept = copy.copy(function)
    kept.reduction = "none"
    return kept


def _check_shapes(loss, teacher_outputs, student_outputs):
    keras.tree.assert_same_structure(teacher_outputs, student_outputs)
    is_feature = hasattr(loss, "is_mean_of_samples")
    for teacher, student in zip(
        keras.tree.flatten(teacher_outputs),
        keras.tree.flatten(student_outputs),
        strict=True,
    ):
        # The losses of layers check what they need to be equal.
        if not is_feature and teacher.shape[1:] != student.shape[1:]:
            raise ValueError(
                f"`{type(loss).__name__}` needs outputs of equal shape from "
                f"teacher and student. Received: {tuple(teacher.shape)} of "
                f"the teacher, {tuple(student.shape)} of the student"
            )
