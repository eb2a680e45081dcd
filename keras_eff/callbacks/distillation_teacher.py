import contextlib
import copy
import functools

import keras

from keras_eff.callbacks.steps import iterations
from keras_eff.distillation.distillation_arguments import checked_losses
from keras_eff.distillation.distillation_arguments import checked_weights
from keras_eff.distillation.distillation_arguments import pair_of
from keras_eff.distillation.distillation_arguments import weight_at
from keras_eff.distillation.distillation_arguments import weights_at
from keras_eff.distillation.distillation_loss import mended
from keras_eff.distillation.distillation_loss import names_of
from keras_eff.distillation.distillation_state import DistillationState
from keras_eff.distillation.method_patches import in_scope_of
from keras_eff.distillation.method_patches import patched
from keras_eff.distillation.method_patches import with_metric
from keras_eff.distillation.taught_loss import TaughtLoss
from keras_eff.distillation.teacher import Teacher
from keras_eff.distillation.teacher import check_layers
from keras_eff.distillation.teacher import check_teacher


class DistillationTeacher(keras.callbacks.Callback):
    """Teaches the model that is trained what another model knows.

    `loss = a * student_loss + (1 - a) * sum_i(w_i * distillation_loss_i)`

    with `a` the `student_loss_weight`; what the student adds as regularization
    counts in full. The student stays an ordinary model with its own `compile`:
    only while a batch trains does it compute another loss. Validation is plain.
    The teacher runs as at inference; it is not changed, and nothing of it is in
    the student. Logs `student_loss` and `distillation_loss`.

    By default, each output is taught by the loss that the student is compiled
    with, and weighs as much among the outputs: classes, as of
    `CategoricalCrossentropy`, or of a softmax, by
    `LogitsDistillation(temperature=3.0)`; labels that are each on or off, as of
    `BinaryCrossentropy`, one by one by the same divergence of two
    probabilities; values, as of `MeanSquaredError`, by that loss itself. An
    output without a loss is not taught.

    The teacher's loss comes in where a train step calls `self.compute_loss`,
    with `x`: `fit` or, between `on_train_batch_begin` and `on_train_batch_end`,
    `train_on_batch`. A `train_step` with a loss of its own cannot be taught.

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
            averaged geometrically, and values plainly; a function from inputs
            to outputs, on the backend's tensors, which are symbolic in a
            compiled train step; or `keras_eff.distillation.StoredOutputs`, the
            way for what computes with NumPy, ONNX or another library.
        distillation_losses: `keras.distillation.DistillationLoss`, or a list
            of them; by default as above. Of the losses of logits,
            probabilities are made into logits.
        distillation_loss_weights: List of floats, 0 or more, one for each
            loss, or functions of the epoch, such as
            `keras_eff.distillation.Stage`; by default 1.
        student_loss_weight: Float in [0, 1], or a function of the epoch.
        from_logits: Whether teacher and student return logits: a boolean for
            both or a pair (teacher, student). None to find out: by the final
            activation, the student's loss, or, where neither tells, by whether
            the outputs are shares of 1.

    Raises:
        ValueError, TypeError: If an argument is out of range or is no teacher;
            when training begins, if outputs or layers do not fit together, or
            nothing tells what the outputs are.
        RuntimeError: In training, if a train step does not ask for the
            teacher's loss, or a function cannot run in a compiled one.

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
        self.distillation_losses = checked_losses(distillation_losses)
        check_teacher(teacher, names_of(self.distillation_losses, "teacher"))
        self.teacher = teacher
        self.distillation_loss_weights = checked_weights(
            distillation_loss_weights, len(self.distillation_losses)
        )
        self.student_loss_weight = student_loss_weight
        self._student_weight_at(0)
        self.from_logits = from_logits
        self._state = None

    def __deepcopy__(self, memo):
        # keras-tuner copies callbacks for each training: the teacher is shared.
        twin = copy.copy(self)
        twin.distillation_losses = list(
            map(copy.copy, self.distillation_losses)
        )
        return twin

    def set_model(self, model):
        super().set_model(model)
        self._student = model
        self._state = None

    def on_train_begin(self, logs=None):
        student = self.model
        losses = [mended(loss) for loss in self.distillation_losses]
        names = names_of(losses, "student")
        if names:
            check_layers("student", student, names)
        for_teacher, for_student = pair_of(self.from_logits)
        teacher = Teacher(
            self.teacher, names_of(losses, "teacher"), for_teacher
        )
        with in_scope_of(student):
            self._state = DistillationState(len(losses))
            self._taught_loss = TaughtLoss(
                student, teacher, losses, self._state, for_student
            )
        self._set_weights_of(0)
        self._first_step = iterations(student)
        self._turn = contextlib.ExitStack()
        self._exit = contextlib.ExitStack()
        if keras.backend.backend() == "jax":
            # Its trainer lists the state of a step before the first one.
            self._exit.enter_context(with_metric(student, self._state))
        # A step of its own: JAX would take up the one compiled for the last
        # loss that this student is taught.
        step = functools.partial(student.train_step)
        plain = patched(student, train_function=None, train_step=step)
        with self._taught(), plain:
            student.make_train_function()
            self._train_function = student.train_function

    def on_epoch_begin(self, epoch, logs=None):
        self._begin_if_due()
        _ = self.model  # On JAX, brings the state to where it is assigned.
        self._state.reset_state()
        self._set_weights_of(epoch)

    def on_train_batch_begin(self, batch, logs=None):
        self._begin_if_due()
        self._is_awaited = True
        self._await_batch()

    def on_train_batch_end(self, batch, logs=None):
        self._turn.close()
        self._check_taught(not self._is_awaited)

    def on_epoch_end(self, epoch, logs=None):
        self._check_taught(
            self._taught_loss.was_entered or not self._has_stepped()
        )

    def on_train_end(self, logs=None):
        was_taught = self._taught_loss.was_entered or not self._has_stepped()
        self._turn.close()
        self._exit.close()
        self._state = self._taught_loss = self._train_function = None
        for loss in self.distillation_losses:
            if hasattr(loss, "drop"):
                loss.drop()
        if not was_taught:
            raise _not_taught(self._student)

    def _has_stepped(self):
        """Whether weights were trained, by whatever means, since it began."""
        return iterations(self.model) != self._first_step

    def _begin_if_due(self):
        """A loop of one's own may not say that training begins."""
        if self._state is None:
            self.on_train_begin()

    def _set_weights_of(self, epoch):
        self._state.set_weights_of_epoch(
            self._student_weight_at(epoch),
            weights_at(self.distillation_loss_weights, epoch),
        )

    def _student_weight_at(self, epoch):
        weight = self.student_loss_weight
        return weight_at("student_loss_weight", weight, epoch, "[0, 1]")

    def _await_batch(self):
        self._turn.close()
        self._turn.enter_context(
            patched(
                self._student,
                train_function=self._train_on_batch,
                train_on_batch=self._train_in_loop,
                # The next `fit`, if another callback ends this one here.
                make_train_function=self._make_plain,
            )
        )

    def _make_plain(self, *args, **kwargs):
        self._turn.close()
        self._exit.close()
        self._student.make_train_function(*args, **kwargs)

    def _train_on_batch(self, *args):
        with self._teaching():
            return self._train_function(*args)

    def _train_in_loop(self, *args, **kwargs):
        """`train_on_batch` of the student, as often as a loop calls it."""
        with (
            self._teaching(),
            patched(self._student, train_function=self._train_function),
        ):
            logs = self._student.train_on_batch(*args, **kwargs)
        self._await_batch()
        return logs

    @contextlib.contextmanager
    def _teaching(self):
        """A batch that is taught; the student is plain after an error."""
        self._turn.close()
        self._is_awaited = False
        try:
            with self._taught():
                yield
            self._check_taught(self._taught_loss.was_entered)
        except BaseException:
            self._exit.close()
            raise

    @contextlib.contextmanager
    def _taught(self):
        """The student computes the loss that it is taught."""
        reporting = with_metric(self._student, self._state)
        teaching = patched(self._student, **self._taught_loss.overrides)
        with reporting, teaching, patched(self._state, is_reported=True):
            yield

    def _check_taught(self, was_taught):
        if not was_taught:
            self._exit.close()
            raise _not_taught(self._student)


def _not_taught(student):
    kind = type(student)
    return RuntimeError(
        "The teacher has taught nothing: its loss comes in where a train step "
        "calls `self.compute_loss(x=x, y=y, y_pred=y_pred, "
        "sample_weight=sample_weight)`. A `train_step` of your own must call "
        "it, in place of a loss of its own; a loop must call `train_on_batch` "
        "of the student between `on_train_batch_begin` and "
        "`on_train_batch_end` of the callbacks. "
        f"Received: {kind.__module__}.{kind.__qualname__}, which was trained "
        "without the teacher"
    )
