"""When a callback acts that goes by the steps of the training."""

import keras
from keras import ops

# The batches in a row of which mixed_float16 may apply no gradient, at most.
_MAX_SKIPPED = 40


def check_schedule(schedule) -> None:
    """Raises a TypeError unless it is a function of the step."""
    if not callable(schedule):
        raise TypeError(
            "Argument `schedule` must be a function of the step. "
            f"Received: schedule={schedule!r}"
        )


def iterations(model) -> int:
    """The steps that the optimizer of a model has made; 0 without one."""
    if model.optimizer is None:
        return 0
    # Through NumPy: a replicated variable is not a number.
    return int(ops.convert_to_numpy(model.optimizer.iterations))


def accumulation_steps(model) -> int:
    """The batches to one step of the optimizer of a model."""
    optimizer = getattr(model, "optimizer", None)
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return getattr(inner, "gradient_accumulation_steps", None) or 1


class StepCounter:
    """The step of a training: that of the optimizer of the model.

    Where that makes none, as beside a `train_step` with optimizers of its own,
    or where the model has no optimizer, the batches are counted.

    `is_late`: whether a batch of this training has ended already.
    """

    def __init__(self, model, num_batches=0, is_late=False):
        self._first = 0 if is_late else self._iterations(model)
        counts = num_batches or not self._has_optimizer(model)
        self._moves = False if counts else None
        self._before = num_batches
        self._num_batches = 0
        self._batch = -1

    @property
    def num_batches(self):
        """The batches counted so far; 0 where the optimizer counts."""
        return self._before + self._num_batches if self._moves is False else 0

    def begin_epoch(self):
        """Batches are numbered from 0 again."""
        self._batch = -1

    def step(self, model):
        return self.num_batches or self._iterations(model)

    def step_after(self, model, batch):
        """The step after the end of a batch."""
        # More than one, where `steps_per_execution` is.
        self._num_batches += max(batch - self._batch, 1)
        self._batch = batch
        if self._moves is None:
            self._moves = self._watch(model)
        return self.step(model)

    def _watch(self, model):
        """Whether the optimizer makes steps; None as long as it may yet."""
        if self._iterations(model) > self._first:
            return True
        is_scaled = hasattr(model.optimizer, "inner_optimizer")
        patience = accumulation_steps(model) - 1
        patience += _MAX_SKIPPED if is_scaled else 0
        return False if self._num_batches > patience else None

    def _iterations(self, model):
        return iterations(model) if self._has_optimizer(model) else 0

    def _has_optimizer(self, model):
        return isinstance(
            getattr(model, "optimizer", None), keras.optimizers.Optimizer
        )
