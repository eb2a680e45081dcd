import copy
import math
import pathlib
import uuid
import weakref

import keras
from absl import logging

from keras_eff.arguments import read_boolean
from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.tuning.median_stopping import arguments
from keras_eff.tuning.median_stopping import median_rule
from keras_eff.tuning.median_stopping.learning_curves import LearningCurves
from keras_eff.tuning.median_stopping.trial_watch import TrialWatch


class MedianStopping(keras.callbacks.Callback):
    """Stops trainings of a search that fall behind the others.

    A training is stopped after an epoch if its best value so far is worse, by
    more than `min_delta`, than the median, over the curves of other trials, of
    their running averages up to that epoch. With a tuner of keras-tuner:

    ```python
    tuner = keras_tuner.RandomSearch(build, "val_accuracy", max_trials=50)
    stopping = keras_eff.callbacks.MedianStopping(tuner)
    tuner.search(x, y, epochs=30, validation_split=0.2, callbacks=[stopping])
    stopping.stopped_trials()
    ```

    A stopped trial is COMPLETED, and scored by its best epoch. It is marked in
    the curves, which `stopped_trials` reads, and, where the oracle is in the
    same process, by `trial.message`.

    Each `fit` is a curve: with `executions_per_trial`, each execution stops by
    itself, against all executions of other trials, never those of its own.
    Where a trial calls `fit` several times, to pretrain and to fine-tune, the
    first is compared with the first of others, the second with the second. A
    `fit` that goes on with a model at `initial_epoch` goes on with its curve;
    of others, the averages begin where a curve does.
    A curve counts up to its last epoch, also one that was stopped or is still
    being trained by another worker; one with a NaN counts as worst from there
    on. Nothing is stopped in the last epoch. A trial that ends without a
    training that had the callback is warned of, once.

    Curves are in append-only files under the project directory, one for each
    process, which all workers read; it must be on a file system they share. A
    search that goes on later reads them again, and a trial that is run again
    replaces its old curves. Without a tuner, the `fit` calls that share
    `directory` are each other's trials.

    Args:
        tuner: A keras-tuner `RandomSearch`, `BayesianOptimization` or
            `GridSearch`, or another with their hooks. None for plain `fit`.
        monitor: String, a value in the logs of each epoch. By default the
            tuner's objective; without a tuner, "val_loss".
        mode: "min", "max", or None or "auto": the direction of the objective,
            if it is monitored, else what Keras infers from the metric.
        min_trials: Positive integer, other trials that must have reached the
            epoch before anything is stopped.
        warmup_epochs: Integer of 0 or more, first epochs that are never
            stopped after.
        interval: Positive integer, epochs from one decision to the next.
        min_delta: Float of 0 or more, in the unit of the monitored value.
        directory: Path of the curves. By default `learning_curves` in the
            tuner's project directory; without a tuner it must be given.
        dry_run: Boolean. If True, nothing is stopped, and what would have been
            is recorded.

    Raises:
        TypeError: If `tuner` is no tuner.
        ValueError: If an argument is out of range, the tuner is a `Hyperband`,
            the objective is no single value of the logs, or, in training, the
            logs do not have the value.
        RuntimeError: If it is given a tuner and trains outside its search.

    Example:

    >>> import tempfile
    >>> stopping = keras_eff.callbacks.MedianStopping(
    ...     monitor="loss", min_trials=1, warmup_epochs=1,
    ...     directory=tempfile.mkdtemp(),
    ... )
    >>> x, y = np.ones((8, 1)), np.ones((8, 1))
    >>> for rate in (0.1, 1e-6):
    ...     model = keras.Sequential(
    ...         [keras.Input((1,)), keras.layers.Dense(1, use_bias=False)]
    ...     )
    ...     model.set_weights([np.full((1, 1), 3.0)])
    ...     model.compile(keras.optimizers.SGD(rate), "mse")
    ...     history = model.fit(
    ...         2 * x, y, epochs=9, callbacks=[stopping], verbose=0
    ...     )
    >>> len(history.epoch), len(stopping.stopped_trials())
    (2, 1)

    Reference:
        - [Golovin et al., 2017](https://doi.org/10.1145/3097983.3098043),
          "Google Vizier", section 3.2.2. There the other trials are the
          completed ones; here also those that other workers still train.
    """

    def __init__(
        self,
        tuner=None,
        monitor=None,
        mode=None,
        *,
        min_trials=5,
        warmup_epochs=3,
        interval=1,
        min_delta=0.0,
        directory=None,
        dry_run=False,
    ):
        super().__init__()
        arguments.check_names(monitor, mode, directory)
        self.min_trials = read_integer("min_trials", min_trials, 1)
        self.warmup_epochs = read_integer("warmup_epochs", warmup_epochs, 0)
        self.interval = read_integer("interval", interval, 1)
        self.min_delta = read_number("min_delta", min_delta, "[0, inf)")
        self.dry_run = read_boolean("dry_run", dry_run)
        self.mode = None if mode == "auto" else mode
        self._watch = None if tuner is None else TrialWatch(tuner)
        self._follow(tuner, monitor)
        self._curves = _store(tuner, directory)
        self._curve = self._last = self._trial = None
        self._is_training = False

    def __deepcopy__(self, memo):
        # keras-tuner copies callbacks for each execution: the copies share the
        # curves and the knowledge of the trial.
        twin = copy.copy(self)
        twin._trial = twin._last = None
        return twin

    def stopped_trials(self):
        """The trials of which a training was stopped, by all workers.

        With `dry_run`, those that would have been.

        Returns:
            Dictionary from the id of a trial to a list of dictionaries, one
            for each stopped training: `epoch` (the last one trained), `best`,
            `median`, `dry_run`, `execution` and `fit`.
        """
        trials = {}
        for curve in self._curves.of(self.monitor):
            if curve.stopped:
                place = {"execution": curve.execution, "fit": curve.fit}
                reason = {**curve.stopped, **place}
                trials.setdefault(curve.trial, []).append(reason)
        return trials

    def on_train_begin(self, logs=None):
        self._curve = self._first_epoch = None
        self._is_training = True
        if self._watch is None:
            return
        if self._watch.trial_id is None:
            raise RuntimeError(
                "MedianStopping(tuner) must be among the callbacks of "
                "`tuner.search`, or of a `fit` within it. Received a training "
                "outside the search; give it no tuner there"
            )
        self._watch.was_seen = True

    def on_epoch_end(self, epoch, logs=None):
        if not self._is_training:
            self.on_train_begin()
        if self._first_epoch is None:
            self._first_epoch = epoch
        logs = logs or {}
        if self.monitor not in logs:
            arguments.check_may_come(self.monitor, logs)
        else:
            self._take(epoch + 1, float(logs[self.monitor]))
        if self._curve is not None:
            self._last = (weakref.ref(self.model), self._curve, epoch + 1)

    def on_train_end(self, logs=None):
        was_training, self._is_training = self._is_training, False
        if was_training and self._curve is None:
            raise arguments.missing_value(self.monitor, logs or {})

    def _take(self, epoch, value):
        if self._curve is None:
            self._curve = self._continued() or self._begun()
        if self.mode is None:
            self.mode = arguments.inferred_mode(self.monitor, self.model)
        self._curves.add(self._curve, epoch, value)
        if self._decides_after(epoch):
            self._decide(epoch)

    def _continued(self):
        """The last curve, if this `fit` trains its model further."""
        model, curve, num_epochs = self._last or (lambda: None, None, 0)
        is_further = 0 < num_epochs == self._first_epoch
        if not is_further or model() is not self.model:
            return None
        # One that was stopped has had its decision.
        is_over = curve.stopped and not curve.stopped["dry_run"]
        return None if is_over else curve

    def _begun(self):
        watch = self._watch
        if watch is None:
            trial = f"fit-{uuid.uuid4().hex[:12]}"
            return self._curves.begin(trial, self.monitor)
        if self._trial != watch.num_trials:
            self._trial, self._num_fits = watch.num_trials, 0
            self._execution = watch.num_executions
            watch.num_executions += 1
        curve = self._curves.begin(
            watch.trial_id,
            self.monitor,
            watch.attempt,
            self._execution,
            self._num_fits,
        )
        watch.attempt = curve.attempt
        self._num_fits += 1
        return curve

    def _follow(self, tuner, monitor):
        """Takes monitor and mode from the objective, where not given."""
        objective = None if tuner is None else tuner.oracle.objective
        name = getattr(objective, "name", "val_loss")
        is_several = hasattr(objective, "objectives")
        if monitor is None and (is_several or name == "default_objective"):
            raise ValueError(
                "Argument `monitor` must be given, with `mode`, for a tuner "
                "whose objective is no single value of the logs. "
                f"Received: monitor=None, objective={name!r}"
            )
        self.monitor = name if monitor is None else monitor
        if objective is not None and self.monitor == name:
            self.mode = self.mode or objective.direction

    def _decides_after(self, epoch):
        since = epoch - self.warmup_epochs - 1
        last = (self.params or {}).get("epochs") or math.inf
        is_due = since >= 0 and since % self.interval == 0
        return is_due and epoch < last and self._curve.stopped is None

    def _decide(self, epoch):
        own = self._curve
        span = (epoch, self.mode, own.begin)
        peers = [
            curve
            for curve in self._curves.of(self.monitor)
            if curve.trial != own.trial
            and curve.fit == own.fit
            and median_rule.running_average(curve.values, *span) is not None
        ]
        if len({curve.trial for curve in peers}) < self.min_trials:
            return
        of_peers = [curve.values for curve in peers]
        median = median_rule.median_of_averages(of_peers, *span)
        best = median_rule.best_so_far(own.values, epoch, self.mode)
        if median_rule.is_behind(best, median, self.mode, self.min_delta):
            self._stop({"epoch": epoch, "best": best, "median": median})

    def _stop(self, reason):
        self._curves.stop(self._curve, {**reason, "dry_run": self.dry_run})
        text = (
            f"MedianStopping {'would stop' if self.dry_run else 'stopped'} "
            f"trial {self._curve.trial} after epoch {reason['epoch']}: best "
            f"{self.monitor} {reason['best']:.6g}, median of the others "
            f"{reason['median']:.6g}"
        )
        logging.info(text)
        if self._watch is not None:
            self._watch.message = text
        if not self.dry_run:
            self.model.stop_training = True


def _store(tuner, directory):
    if tuner is not None:
        default = pathlib.Path(tuner.project_dir) / "learning_curves"
        return LearningCurves(directory or default, str(tuner.tuner_id))
    if directory is None:
        raise ValueError(
            "Argument `directory` must be a path, which the `fit` calls share, "
            "without a tuner. Received: directory=None"
        )
    return LearningCurves(directory)
