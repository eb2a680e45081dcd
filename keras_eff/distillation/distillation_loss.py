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
    kept.loss = keras.tree.map_structure(_without_replicas, kept.loss)
    return kept


def unreduced(function):
    """A loss of Keras that gives that of each sample; a function does."""
    if not isinstance(function, keras.losses.Loss):
        return function
    # `copy.copy` goes by the configuration, which lacks arguments, as Huber's.
    kept = object.__new__(type(function))
    vars(kept).update(vars(function), reduction="none")
    return kept


def value(loss, teacher_outputs, student_outputs, weights=None):
    """The loss of a batch, its samples weighted."""
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


def weights_of_outputs(sample_weight, outputs, names=None) -> list:
    """The weights of samples for each output, or None."""
    count = len(keras.tree.flatten(outputs))
    given = sample_weight
    is_by_name = isinstance(given, dict) and not isinstance(outputs, dict)
    if is_by_name and names and set(given) == set(names):
        given = [given[name] for name in names]
    flat = keras.tree.flatten(given)
    if keras.tree.is_nested(given) and len(flat) == count:
        return flat
    return [combined_weights(given, None)] * count


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


def _without_replicas(function):
    means = ("sum_over_batch_size", "mean", "mean_with_sample_weight")
    is_mean = getattr(function, "reduction", None) in means
    return unreduced(function) if is_mean else function


def _check_shapes(loss, teacher_outputs, student_outputs):
    _check_structure(loss, student_outputs)
    is_feature = hasattr(loss, "is_mean_of_samples")
    pair = [keras.tree.flatten(x) for x in (teacher_outputs, student_outputs)]
    if len(pair[0]) != len(pair[1]):
        raise ValueError(
            f"`{type(loss).__name__}` needs as many outputs of the teacher as "
            f"of the student. Received: {len(pair[0])} and {len(pair[1])}"
        )
    for teacher, student in zip(*pair, strict=True):
        # The losses of layers check what they need to be equal.
        if not is_feature and teacher.shape[1:] != student.shape[1:]:
            raise ValueError(
                f"`{type(loss).__name__}` needs outputs of equal shape from "
                f"teacher and student. Received: {tuple(teacher.shape)} of "
                f"the teacher, {tuple(student.shape)} of the student"
            )


def _check_structure(loss, outputs):
    """Raises a ValueError unless a loss of Keras has one for each output."""
    if not isinstance(loss, (_LOGITS, _FEATURES)):
        return
    try:
        keras.tree.assert_same_structure(loss.loss, outputs)
    except (TypeError, ValueError) as error:
        name = type(loss).__name__
        example = keras.tree.map_structure(lambda _: "kl_divergence", outputs)
        raise ValueError(
            f"`{name}` needs a loss, or None, for each output of the student: "
            f"give {name}(loss={example!r}), for example. "
            f"Received: {_names_of_losses(loss.loss)}"
        ) from error


def _names_of_losses(losses):
    return keras.tree.map_structure(
        lambda loss: getattr(loss, "name", getattr(loss, "__name__", loss)),
        losses,
    )
