import inspect

import keras
from keras import ops

from keras_eff.distillation import distillation_loss
from keras_eff.distillation.distillation_loss import combined_weights
from keras_eff.distillation.distillation_loss import weights_of_outputs
from keras_eff.distillation.followed_loss import FollowedLoss
from keras_eff.distillation.followed_terms import terms_of
from keras_eff.distillation.logits import check_activation
from keras_eff.distillation.logits import final_activations
from keras_eff.distillation.method_patches import ScaledForReplicas
from keras_eff.distillation.targets import has_outputs
from keras_eff.distillation.targets import unpacked
from keras_eff.distillation.teacher import each_logits
from keras_eff.distillation.teacher import mean_outputs
from keras_eff.graph.walk import is_graph
from keras_eff.graph.walk import pack_inputs
from keras_eff.graph.walk import pack_outputs


class TaughtLoss:
    """The loss of a student that a teacher teaches, for a train step.

    Attributes:
        overrides: Dict of the methods that the student has in a train step.
        was_entered: Boolean, whether a train step has asked for its loss.
    """

    def __init__(self, student, teacher, losses, state, from_logits):
        self._student = student
        self._teacher = teacher
        self._losses = losses
        self._state = state
        self._from_logits = from_logits
        self._features = {}
        self._scaled = ScaledForReplicas()
        self._mask_of = _MaskOf(name="mask_of")
        self.was_entered = False
        self.overrides = {
            "compute_loss": self._with_plain(student.compute_loss),
            "compute_metrics": self._metrics_of_labels(student.compute_metrics),
        }
        names = distillation_loss.names_of(losses, "student")
        if names:
            self.overrides["call"] = self._call_with_features(names)
        # A step of the student's own is first to be seen to ask for a loss.
        is_seen = is_graph(student) and not _overrides(student, "train_step")
        if student.built and is_seen:
            self._check(pack_outputs(student, student.outputs))
        self._build_connectors()

    @property
    def _activations(self):
        # The first batch may build the student.
        return final_activations(self._student)

    @property
    def _names(self):
        return getattr(self._student, "output_names", None)

    def _check(self, outputs):
        """Raises a ValueError where outputs are none of those compared."""
        flat = keras.tree.flatten(outputs)
        is_of_logits = any(map(distillation_loss.is_of_logits, self._losses))
        terms = self._terms(outputs)
        if not terms and not is_of_logits:
            return
        for role, activations, from_logits in self._ends(outputs):
            if activations is None:
                continue
            for term in terms:
                i = term.index
                term.check(role, activations[i], from_logits, flat[i])
            if is_of_logits:
                for activation, output in zip(activations, flat, strict=True):
                    told = (activation, from_logits, output.shape[-1])
                    check_activation(role, *told)

    def _ends(self, outputs):
        """Student and teachers: role, activations, and what was told."""
        yield "student", self._activations, self._from_logits
        for found in self._teacher.activations(outputs, self._names):
            yield "teacher", found, self._teacher.from_logits

    def _terms(self, outputs):
        """Of the default loss; none, if it is not used."""
        if not any(isinstance(loss, FollowedLoss) for loss in self._losses):
            return []
        given = (self._activations, self._from_logits)
        return terms_of(self._student, outputs, *given)

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
        takes_training = "training" in inspect.signature(plain).parameters
        is_of_its_own = _overrides(self._student, "compute_loss")

        def task_loss(x, labels, y_pred, weight, training):
            # A loss of the student's own may need no labels.
            if labels is None and not is_of_its_own:
                return None
            options = {"training": training} if takes_training else {}
            return plain(x, labels, y_pred, weight, **options)

        def compute_loss(
            x=None, y=None, y_pred=None, sample_weight=None, training=True
        ):
            self.was_entered = True
            labels, weight, for_teacher, weight_of_teacher = unpacked(
                x, y, sample_weight
            )
            self._check_given(for_teacher, y)
            # Of this replica, in the mean over all of them.
            part = self._scaled.of(ops.ones(()))
            added = ops.zeros(())
            if self._student.losses:
                added = part * sum(map(ops.sum, self._student.losses))
            task = task_loss(x, labels, y_pred, weight, training)
            task = ops.zeros(()) if task is None else task - added
            taught, num_samples = self._distillation_loss(
                for_teacher, y_pred, weight_of_teacher
            )
            self._state.record(task / part, taught, num_samples)
            share = self._state.student_weight
            return added + share * task + (1.0 - share) * part * taught

        return compute_loss

    def _check_given(self, for_teacher, y):
        """Raises a ValueError where the teacher is not given what it takes."""
        if self._teacher.is_stored and not has_outputs(y):
            raise ValueError(
                "Stored outputs teach the batch that they belong to: give "
                "`fit` `y=stored.targets(x, y)`. Received: y without them"
            )
        if for_teacher is None:
            kind = type(self._student)
            raise ValueError(
                "A teacher needs the inputs of the student: call "
                "`self.compute_loss(x=x, y=y, y_pred=y_pred, "
                "sample_weight=sample_weight)` in `train_step`. Received: "
                f"x=None from {kind.__module__}.{kind.__qualname__}"
            )

    def _metrics_of_labels(self, plain):
        def compute_metrics(x, y, y_pred, sample_weight=None):
            labels, weight, *_ = unpacked(x, y, sample_weight)
            if labels is None:
                return self._state.result() | self._mean_loss()
            return plain(x, labels, y_pred, weight)

        return compute_metrics

    def _mean_loss(self):
        """What the student reports where there are no labels to compare."""
        found = [m for m in self._student.metrics if m.name == "loss"]
        return {metric.name: metric.result() for metric in found}

    def _distillation_loss(self, for_teacher, y_pred, sample_weight):
        """The loss of a batch, and how many samples it has."""
        outputs, features = self._teacher(for_teacher)
        total = 0.0
        for i, loss in enumerate(self._losses):
            if isinstance(loss, FollowedLoss):
                value = self._followed(outputs, y_pred, sample_weight)
            else:
                pair = self._pair(loss, outputs, features, y_pred)
                mask = self._mask_of(keras.tree.flatten(y_pred)[0])
                weights = combined_weights(sample_weight, mask)
                value = distillation_loss.value(loss, *pair, weights)
            total = total + self._state.loss_weights[i] * value
        num_samples = ops.shape(keras.tree.flatten(y_pred)[0])[0]
        num_samples = ops.cast(num_samples, "float32")
        # The last batch may leave a replica without any: no mean, and no loss.
        return ops.where(num_samples > 0.0, total, 0.0), num_samples

    def _pair(self, loss, outputs, features, y_pred):
        """What a loss compares of teacher and student."""
        of_teacher, of_student = (
            getattr(loss, f"{role}_layer_name", None)
            for role in ("teacher", "student")
        )
        if not (of_teacher or of_student):
            outputs = self._teacher.aligned(outputs, y_pred, self._names)
        if distillation_loss.is_of_logits(loss):
            kinds = self._teacher.activations(y_pred, self._names)
            theirs = self._teacher.logits(outputs, kinds)
            ours = each_logits(y_pred, self._activations, self._from_logits)
        else:
            theirs = (
                features[of_teacher] if of_teacher else mean_outputs(outputs)
            )
            ours = self._features[of_student] if of_student else y_pred
        return keras.tree.map_structure(
            lambda tensor: ops.cast(tensor, "float32"), (theirs, ours)
        )

    def _followed(self, outputs, y_pred, sample_weight):
        """The default loss: each output by its own."""
        like = (y_pred, self._names)
        ours = keras.tree.flatten(y_pred)
        members = [
            (keras.tree.flatten(found), kinds)
            for found, kinds in zip(
                self._teacher.aligned(outputs, *like),
                self._teacher.activations(*like),
                strict=True,
            )
        ]
        weights = weights_of_outputs(sample_weight, *like)
        kinds_of_student = self._activations
        total = 0.0
        for term in self._terms(y_pred):
            i = term.index
            told = self._teacher.from_logits
            student = term.comparable(
                ours[i], _at(kinds_of_student, i), term.from_logits
            )
            teacher = term.mean_of_members(
                [
                    term.comparable(found[i], _at(kinds, i), told)
                    for found, kinds in members
                ]
            )
            weight = combined_weights(weights[i], self._mask_of(ours[i]))
            value = distillation_loss.value(term.loss, teacher, student, weight)
            total = total + term.weight * value
        return total


class _MaskOf(keras.layers.Layer):
    """The Keras mask that travels with a tensor, or None.

    A layer, for it is given the mask where the backend has no room for it on
    the tensor, as JAX.
    """

    supports_masking = True

    def call(self, inputs, mask=None):
        return mask


def _at(activations, index):
    return None if activations is None else activations[index]


def _overrides(model, method):
    """Whether a class of the user's own has a method in place of Keras's."""
    return getattr(type(model), method) is not getattr(keras.Model, method)


def _shape(model, layer_name):
    if layer_name is None:
        return tuple(model.outputs[0].shape)
    return tuple(model.get_layer(layer_name).output.shape)
