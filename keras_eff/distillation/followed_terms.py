"""What the default loss of distillation compares, output by output."""

import dataclasses

import keras
from keras import ops

from keras_eff.distillation.compiled_losses import CompiledLoss
from keras_eff.distillation.compiled_losses import losses_of_outputs
from keras_eff.distillation.distillation_loss import mended
from keras_eff.distillation.distillation_loss import unreduced
from keras_eff.distillation.logits import check_activation
from keras_eff.distillation.logits import check_label_activation
from keras_eff.distillation.logits import to_label_logits
from keras_eff.distillation.logits import to_logits
from keras_eff.distillation.losses.labels_distillation import LabelsDistillation

_TEMPERATURE = 3.0


@dataclasses.dataclass(frozen=True)
class Term:
    """What is compared of one output."""

    index: int
    kind: str
    loss: keras.distillation.DistillationLoss
    weight: float
    from_logits: bool | None

    def comparable(self, output, activation, from_logits):
        """A tensor as the loss takes it."""
        output = ops.cast(output, "float32")
        if len(output.shape) == 1:
            output = ops.expand_dims(output, -1)
        if self.kind == "classes":
            return to_logits(output, activation, from_logits)
        if self.kind == "labels":
            return to_label_logits(output, activation, from_logits)
        return output

    def mean_of_members(self, members):
        """Of probabilities the geometric mean, of values the plain one."""
        if len(members) == 1:
            return members[0]
        if self.kind == "classes":
            members = [ops.log_softmax(logits) for logits in members]
        return sum(members) / len(members)

    def check(self, role, activation, from_logits, output):
        """Raises a ValueError where an output is not what the term compares."""
        num_classes = output.shape[-1] if len(output.shape) > 1 else 1
        if self.kind == "classes":
            check_activation(role, activation, from_logits, num_classes)
        if self.kind == "labels":
            check_label_activation(role, activation, from_logits)


def terms_of(student, outputs, activations, from_logits) -> list[Term]:
    """The terms of the default loss, in the order of the outputs."""
    flat = keras.tree.flatten(outputs)
    activations = activations or [None] * len(flat)
    return [
        _term(i, compiled, output, activation, from_logits)
        for i, (output, activation, losses) in enumerate(
            zip(
                flat,
                activations,
                losses_of_outputs(student, outputs),
                strict=True,
            )
        )
        for compiled in losses
    ]


def _term(index, compiled, output, activation, from_logits):
    kind = _kind(index, compiled, output, activation, from_logits)
    if kind == "classes":
        _check_axis(compiled, output)
        loss = mended(keras.distillation.LogitsDistillation(_TEMPERATURE))
    elif kind == "labels":
        loss = LabelsDistillation(_TEMPERATURE)
    else:
        distance = unreduced(compiled.distance(output))
        loss = keras.distillation.FeatureDistillation(distance)
    if from_logits is None and activation not in ("softmax", "sigmoid"):
        from_logits = compiled.from_logits(output)
    return Term(index, kind, loss, compiled.weight, from_logits)


def _kind(index, compiled, output, activation, from_logits):
    # Shares of 1 are of classes, whatever they are compared with.
    kind = "classes" if activation == "softmax" else compiled.kind(output)
    if kind is None and activation == "sigmoid":
        kind = "labels"
    if kind is None and from_logits is not None:
        kind = "classes"
    if kind is None:
        given = _name_of(compiled)
        raise ValueError(
            "What a teacher should teach follows from the loss that the "
            "student is compiled with, and this one does not tell whether "
            "outputs are scores of classes or values: give "
            "`distillation_losses`, such as "
            "`keras.distillation.LogitsDistillation(temperature=3.0)` for "
            'classes, or `keras.distillation.FeatureDistillation("mse")` for '
            f"values. Received: loss={given} for output {index}"
        )
    return kind


def _name_of(compiled: CompiledLoss):
    given = compiled.given
    if given is None or isinstance(given, str):
        return repr(given)
    kind = given if hasattr(given, "__qualname__") else type(given)
    return f"{kind.__module__}.{kind.__qualname__}"


def _check_axis(compiled, output):
    axis = compiled.axis(output)
    if axis not in (None, -1, len(output.shape) - 1):
        raise ValueError(
            "Classes must be on the last axis: give `distillation_losses` of "
            "your own. Received: a student compiled with "
            f"{_name_of(compiled)}(axis={axis})"
        )
