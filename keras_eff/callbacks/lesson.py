import keras
from keras import ops

from keras_eff.callbacks import distillation_loss
from keras_eff.callbacks.logits import check_activation
from keras_eff.callbacks.logits import final_activations
from keras_eff.callbacks.patching import ScaledForReplicas
from keras_eff.callbacks.teacher import each_logits
from keras_eff.transforms.graph import pack_inputs
from keras_eff.transforms.graph import pack_outputs

_TARGETS = {"labels", "teacher", "labelled"}


class Lesson:
    """The loss of a student that a teacher teaches, for a train step.

    Args:
        student: Compiled `keras.Model`.
        teacher: `Teacher`.
        losses: List of `keras.distillation.DistillationLoss`.
        state: `DistillationState`.
        from_logits: Boolean or None, of the student's outputs.

    Attributes:
        overrides: Dict of the methods that the student has in a train step.
    """

    def __init__(self, student, teacher, losses, state, from_logits):
        self._student = student
        self._teacher = teacher
        self._losses = losses
        self._state = state
        self._from_logits = from_logits
        self._activations = final_activations(student)
        self._features = {}
        self._scaled = ScaledForReplicas()
        self._mask_of = _MaskOf(name="mask_of")
        self.overrides = {
            "compute_loss": self._with_plain(student.compute_loss),
            "compute_metrics": self._metrics_of_labels(student.compute_metrics),
        }
        names = distillation_loss.names_of(losses, "student")
        if names:
            self.overrides["call"] = self._call_with_features(names)
        self._check_logits()
        self._build_connectors()

    def _check_logits(self):
        if not any(map(distillation_loss.is_of_logits, self._losses)):
            return
        for role, model, activations, from_logits in (
            ("student", self._student, self._activations, self._from_logits),
            (
                "teacher",
                self._teacher.source,
                self._teacher.activations,
                self._teacher.from_logits,
            ),
        ):
            if activations is None or isinstance(model, list):
                continue
            for tensor, activation in zip(
                model.outputs, activations, strict=True
            ):
                check_activation(
                    role, activation, from_logits, tensor.shape[-1]
                )

    def _build_connectors(self):
        def add_variable(shape, initializer):
            return self._state.add(initializer, shape)

        for loss in self._losses:
            if hasattr(loss, "build"):
                loss.build(
                    add_variable,
                    _shape(self._teacher.source, loss.teacher_layer_name),
                    _shape(self._student, loss.student_layer_name),
                )

    def _call_with_features(self, names):
        """The student's `call`, which keeps what some layers return."""
        student = self._student
        layers = [student.get_layer(name).output for name in names]
        inputs = pack_inputs(student, student.inputs)
        extractor = keras.Model(inputs, [*student.outputs, *layers])
        count = len(student.outputs)

        def call(inputs, training=None, mask=None):
            found = extractor(inputs, training=training)
            self._features = dict(zip(names, found[count:], strict=True))
            return pack_outputs(student, found[:count])

        return call

    def _with_plain(self, plain):
        def compute_loss(
            x=None, y=None, y_pred=None, sample_weight=None, training=True
        ):
            labels, weight, for_teacher, weight_of_teacher = _unpacked(
                x, y, sample_weight
            )
            # Of this replica, in the mean over all of them.
            part = self._scaled.of(ops.ones(()))
            added = ops.zeros(())
            if self._student.losses:
                added = part * sum(self._student.losses)
            task = ops.zeros(())
            if labels is not None:
                task = plain(x, labels, y_pred, weight, training) - added
            lesson = self._lesson_loss(for_teacher, y_pred, weight_of_teacher)
            self._state.update_state(task / part, lesson)
            share = self._state.student_weight
            return added + share * task + (1.0 - share) * part * lesson

        return compute_loss

    def _metrics_of_labels(self, plain):
        def compute_metrics(x, y, y_pred, sample_weight=None):
            labels, weight, *_ = _unpacked(x, y, sample_weight)
            if labels is None:
                return self._state.result() | self._mean_loss()
            return plain(x, labels, y_pred, weight)

        return compute_metrics

    def _mean_loss(self):
        """What the student reports where there are no labels to compare."""
        found = [m for m in self._student.metrics if m.name == "loss"]
        return {metric.name: metric.result() for metric in found}

    def _lesson_loss(self, for_teacher, y_pred, sample_weight):
        outputs, features = self._teacher(for_teacher)
        mask = self._mask_of(keras.tree.flatten(y_pred)[0])
        weights = distillation_loss.combined_weights(sample_weight, mask)
        total = 0.0
        for i, loss in enumerate(self._losses):
            if distillation_loss.is_of_logits(loss):
                theirs = self._teacher.logits(outputs)
                ours = each_logits(y_pred, self._activations, self._from_logits)
            else:
                theirs = features.get(
                    getattr(loss, "teacher_layer_name", None), outputs
                )
                ours = self._features.get(
                    getattr(loss, "student_layer_name", None), y_pred
                )
            theirs, ours = keras.tree.map_structure(
                lambda tensor: ops.cast(tensor, "float32"), (theirs, ours)
            )
            value = distillation_loss.value(loss, theirs, ours, weights)
            total = total + self._state.loss_weights[i] * value
        return total


class _MaskOf(keras.layers.Layer):
    """The Keras mask that travels with a tensor, or None.

    A layer, for it is given the mask where the backend has no room for it on
    the tensor, as JAX.
    """

    supports_masking = True

    def call(self, inputs, mask=None):
        return mask


def _unpacked(x, y, weight):
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
        lambda w: w * distillation_loss.of_rank(counts, len(w.shape)), weight
    )


def _shape(model, layer_name):
    if layer_name is None:
        return tuple(model.outputs[0].shape)
    return tuple(model.get_layer(layer_name).output.shape)
