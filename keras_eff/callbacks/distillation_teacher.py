import contextlib
import numbers

import keras

from keras_eff.callbacks.distillation_loss import mended
from keras_eff.callbacks.distillation_loss import names_of
from keras_eff.callbacks.distillation_state import DistillationState
from keras_eff.callbacks.lesson import Lesson
from keras_eff.callbacks.patching import in_scope_of
from keras_eff.callbacks.patching import patched
from keras_eff.callbacks.patching import with_metric
from keras_eff.callbacks.teacher import Teacher
from keras_eff.callbacks.teacher import check_layers
from keras_eff.callbacks.teacher import check_teacher


class DistillationTeacher(keras.callbacks.Callback):
    """Teaches the model that is trained what another model knows.

    `loss = a * student_loss + (1 - a) * sum_i(w_i * distillation_loss_i)`

    with `a` the `student_loss_weight`; what the student adds as regularization
    counts in full. The student stays an ordinary model with its own `compile`:
    only while a batch trains does it compute another loss. Validation is plain.
    The teacher runs as at inference; it is not changed, and nothing of it is in
    the student. Logs `student_loss` and `distillation_loss`.

    `y` of `fit` may be a dict: "labels" as ever; "teacher", what the teacher
    gets in place of the student's inputs, such as the image that was not
    augmented, or its outputs (`StoredOutputs.targets`); "labelled", booleans,
    which samples have a label that counts. Without labels, or `y`, the student
    learns from the teacher alone. Evaluate a student that gets such a `y`, or
    none, once before `fit`, on a few labelled samples: Keras sets up compiled
    losses and metrics from the first labels that it sees. Give it
    `validation_data` of its own, with plain labels.

    Args:
        teacher: Built `keras.Model`; a list of them, whose probabilities are
            averaged geometrically; a function from inputs to outputs; or
            `keras_eff.distillation.StoredOutputs`.
        distillation_losses: `keras.distillation.DistillationLoss`, or a list
            of them; by default `LogitsDistillation(temperature=3.0)`. Of the
            losses of logits, probabilities are made into logits.
        distillation_loss_weights: List of floats, 0 or more, one for each
            loss, or functions of the epoch, such as
            `keras_eff.distillation.Stage`; by default 1.
        student_loss_weight: Float in [0, 1], or a function of the epoch.
        from_logits: Whether teacher and student return logits: a boolean for
            both or a pair (teacher, student). None to find out: by the final
            activation, or, where that cannot be seen, by whether the outputs
            are shares of 1.

    Raises:
        ValueError, TypeError: If an argument is out of range or is no teacher;
            when training begins, if outputs or layers do not fit together.

    Example:

    >>> teacher = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    >>> student = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> student.compile("adam", loss)
    >>> teaching = keras_eff.callbacks.DistillationTeacher(teacher)
    >>> x, y = np.ones((8, 4)), np.zeros(8)
    >>> history = student.fit(x, y, callbacks=[teaching], verbose=0)
    >>> sorted(history.history)
    ['distillation_loss', 'loss', 'student_loss']

    Reference:
        - [Hinton et al., 2015](https://arxiv.org/abs/1503.02531)
        - [Menghani, 2021](https://arxiv.org/abs/2106.08962), equation 5
    """

    def __init__(
        self,
        teacher,
        distillation_losses=None,
        distillation_loss_weights=None,
        student_loss_weight=0.5,
        *,
        from_logits=None,
    ):
        super().__init__()
        self.distillation_losses = _checked_losses(distillation_losses)
        check_teacher(teacher, names_of(self.distillation_losses, "teacher"))
        self.teacher = teacher
        self.distillation_loss_weights = _checked_weights(
            distillation_loss_weights, len(self.distillation_losses)
        )
        self.student_loss_weight = student_loss_weight
        _student_weight_at(student_loss_weight, 0)
        self.from_logits = from_logits
        self._state = None

    def set_model(self, model):
        super().set_model(model)
        self._student = model

    def on_train_begin(self, logs=None):
        student = self.model
        losses = [mended(loss) for loss in self.distillation_losses]
        names = names_of(losses, "student")
        if names:
            check_layers("student", student, names)
        for_teacher, for_student = _pair(self.from_logits)
        teacher = Teacher(
            self.teacher, names_of(losses, "teacher"), for_teacher
        )
        with in_scope_of(student):
            self._state = DistillationState(len(losses))
            self._lesson = Lesson(
                student, teacher, losses, self._state, for_student
            )
        self._exit = contextlib.ExitStack()
        if keras.backend.backend() == "jax":
            # Its trainer lists the state of a step before the first one.
            self._exit.enter_context(with_metric(student, self._state))
        with self._taught(), patched(student, train_function=None):
            student.make_train_function()
            self._train_function = student.train_function

    def on_epoch_begin(self, epoch, logs=None):
        _ = self.model  # On JAX, brings the state to where it is assigned.
        self._state.reset_state()
        self._state.set_weights_of_epoch(
            _student_weight_at(self.student_loss_weight, epoch),
            [_weight_at(w, epoch) for w in self.distillation_loss_weights],
        )

    def on_train_batch_begin(self, batch, logs=None):
        self._turn = contextlib.ExitStack()
        self._turn.enter_context(
            patched(
                self._student,
                train_function=self._train_on_batch,
                # The next `fit`, if another callback ends this one here.
                make_train_function=self._make_plain,
            )
        )

    def on_train_end(self, logs=None):
        self._exit.close()
        self._state = self._lesson = self._train_function = None
        for loss in self.distillation_losses:
            if hasattr(loss, "drop"):
                loss.drop()

    def _make_plain(self, *args, **kwargs):
        self._turn.close()
        self._exit.close()
        self._student.make_train_function(*args, **kwargs)

    def _train_on_batch(self, *args):
        self._turn.close()
        try:
            with self._taught():
                return self._train_function(*args)
        except BaseException:
            self._exit.close()
            raise

    @contextlib.contextmanager
    def _taught(self):
        """The student computes the loss of its lesson."""
        reporting = with_metric(self._student, self._state)
        teaching = patched(self._student, **self._lesson.overrides)
        with reporting, teaching, patched(self._state, is_reported=True):
            yield


def _checked_losses(losses):
    if losses is None:
        losses = keras.distillation.LogitsDistillation(temperature=3.0)
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


def _checked_weights(weights, num_losses):
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
        _weight_at(weight, 0)
    return list(weights)


def _weight_at(weight, epoch):
    found = weight(epoch) if callable(weight) else weight
    if not isinstance(found, numbers.Real) or not found >= 0:
        raise ValueError(
            "The weight of a distillation loss must be a float, 0 or more. "
            f"Received: {found!r} in epoch {epoch}"
        )
    return float(found)


def _student_weight_at(weight, epoch):
    found = weight(epoch) if callable(weight) else weight
    if not isinstance(found, numbers.Real) or not 0 <= found <= 1:
        raise ValueError(
            "Argument `student_loss_weight` must be a float in [0, 1], in "
            f"each epoch. Received: {found!r} in epoch {epoch}"
        )
    return float(found)


def _pair(from_logits):
    if isinstance(from_logits, (list, tuple)):
        teacher, student = from_logits
        return teacher, student
    return from_logits, from_logits
