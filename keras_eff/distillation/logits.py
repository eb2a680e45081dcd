import keras
from keras import ops

from keras_eff.graph.book import SAME_SCALE
from keras_eff.graph.book import activation_kind
from keras_eff.graph.book import kind_of
from keras_eff.graph.book import unwrapped
from keras_eff.graph.walk import is_graph
from keras_eff.graph.walk import producer

_SMALLEST = 1e-30
_PASSING = ("fake_quant", "keep_float", "linear", *SAME_SCALE)


def final_activations(model) -> list[str] | None:
    """The function that makes each output: "softmax", "sigmoid" or "linear".

    "linear" stands for any other. None for what is no Sequential or Functional
    model, or is not built, which does not tell.
    """
    if not isinstance(model, keras.Model) or not is_graph(model):
        return None
    if not model.built:
        return None
    return [_activation(tensor) for tensor in model.outputs]


def to_logits(outputs, activation, from_logits):
    """Logits from the outputs of a model.

    `outputs`: float tensor, classes on the last axis. `from_logits`: whether
    the outputs are logits; None to find out: by `activation`, and if that is
    not known, by whether all are shares of 1.

    Returns: Tensor of logits; two for a single output, that of a sigmoid.
    """
    if outputs.shape[-1] == 1:
        return _two_logits(outputs, activation, from_logits)
    outputs = ops.cast(outputs, "float32")
    is_probability = _is_probability(activation, from_logits)
    if is_probability is None:
        return ops.where(_are_shares(outputs), _log(outputs), outputs)
    return _log(outputs) if is_probability else outputs


def to_label_logits(outputs, activation, from_logits):
    """The logit of each label from the outputs of a model.

    `outputs`: float tensor, of labels that are each on or off. `from_logits`:
    whether the outputs are logits; None to find out: by `activation`, and if
    that is not known, by whether all are in [0, 1].
    """
    outputs = ops.cast(outputs, "float32")
    is_probability = _is_probability(activation, from_logits)
    if is_probability is None:
        inside = ops.logical_and(outputs >= 0.0, outputs <= 1.0)
        is_probability = ops.all(inside)
    logits = _log(outputs) - _log(1.0 - outputs)
    return ops.where(is_probability, logits, outputs)


def check_activation(role, activation, from_logits, num_classes) -> None:
    """Raises a ValueError where logits of classes are not to be had."""
    if activation == "sigmoid" and num_classes != 1:
        raise ValueError(
            f"The {role} ends in a sigmoid of {num_classes} outputs, which are "
            "no classes to choose from. Labels that are each on or off are "
            "matched one by one where the student is compiled with "
            "`keras.losses.BinaryCrossentropy` and no `distillation_losses` "
            'are given; `keras.distillation.FeatureDistillation("mse")` '
            f"compares values. Received: a {role} of classes, "
            f"from_logits={from_logits}"
        )
    _check_told(role, activation, from_logits)


def check_label_activation(role, activation, from_logits) -> None:
    """Raises a ValueError where logits of labels are not to be had."""
    if activation == "softmax":
        raise ValueError(
            f"The {role} ends in a softmax, of classes to choose from, and the "
            "student is compiled for labels that are each on or off: give "
            "`distillation_losses` of your own. Received: a softmax"
        )
    _check_told(role, activation, from_logits)


def _check_told(role, activation, from_logits):
    if activation in ("softmax", "sigmoid") and from_logits:
        raise ValueError(
            f"The {role} ends in a {activation}: its outputs are no logits. "
            "Received: from_logits=True"
        )


def _activation(tensor):
    """Of the layer that made a tensor, past those that only pass it on."""
    operation = producer(tensor)
    if is_graph(operation):
        return _activation(operation.outputs[0])
    kind = kind_of(operation)
    if kind in _PASSING:
        return _activation(operation.input)
    layer = unwrapped(operation)
    if kind == "time_distributed":
        layer = layer.layer
        kind = kind_of(layer)
    if kind not in ("softmax", "sigmoid"):
        kind = activation_kind(getattr(layer, "activation", None))
    return kind if kind in ("softmax", "sigmoid") else "linear"


def _two_logits(outputs, activation, from_logits):
    """0 and the logit of a sigmoid: the same probabilities by a softmax."""
    logit = to_label_logits(outputs, activation, from_logits)
    return ops.concatenate([ops.zeros_like(logit), logit], axis=-1)


def _is_probability(activation, from_logits):
    """True, False, or None where neither tells."""
    if from_logits is not None:
        return not from_logits
    return None if activation is None else activation != "linear"


def _are_shares(outputs):
    sums = ops.sum(outputs, axis=-1)
    adds_up = ops.all(ops.abs(sums - 1.0) < 1e-2)
    return ops.logical_and(adds_up, ops.all(outputs >= 0.0))


def _log(shares):
    return ops.log(ops.maximum(shares, _SMALLEST))
