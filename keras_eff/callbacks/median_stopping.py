import copy
import math
import pathlib
import uuid

import keras
from absl import logging

from keras_eff.callbacks import median_rule
from keras_eff.callbacks.learning_curves import LearningCurves
from keras_eff.callbacks.median_arguments import check_integer
from keras_eff.callbacks.median_arguments import check_others
from keras_eff.callbacks.trial_watch import TrialWatch


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
    A curve counts up to its last epoch, also one that was stopped or is still
    being trained by another worker; one with a NaN counts as worst from there
    on. Nothing is stopped in the last epoch.

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
        check_integer("min_trials", min_trials, 1)
        check_integer("warmup_epochs", warmup_epochs, 0)
        check_integer("interval", interval, 1)
        check_others(monitor, mode, min_delta, directory, dry_run)
        self.min_trials = min_trials
        self.warmup_epochs = warmup_epochs
        self.interval = interval
        self.min_delta = min_delta
        self.dry_run = dry_run
        self.mode = None if mode == "auto" else mode
        self._watch = None if tuner is None else TrialWatch(tuner)
        self._follow(tuner, monitor)
        self._curves = _store(tuner, directory)
        self._curve = None

    def __deepcopy__(self, memo):
        # keras-tuner copies callbacks for each training: the copies share the
        # curves and the knowledge of the trial.
        return copy.copy(self)

    def stopped_trials(self):
        """The trials of which a training was stopped, by all workers.

        With `dry_run`, those that would have been.

        Returns:
            Dictionary from the id of a trial to a list of dictionaries, one
            for each stopped training: `epoch` (the last one trained), `best`,
            `median`, `dry_run` and `execution`.
        """
        trials = {}
        for curve in self._curves.of(self.monitor):
            if curve.stopped:
                reason = {**curve.stopped, "execution": curve.execution}
                trials.setdefault(curve.trial, []).append(reason)
        return trials

    def on_train_begin(self, logs=None):
        if self._watch is None:
            trial = f"fit-{uuid.uuid4().hex[:12]}"
            self._curve = self._curves.begin(trial, self.monitor)
            return
        watch = self._watch
        if watch.trial_id is None:
            raise RuntimeError(
                "MedianStopping(tuner) must be among the callbacks of "
                "`tuner.search`, or of a `fit` within it. Received a training "
                "outside the search; give it no tuner there"
            )
        self._curve = self._curves.begin(
            watch.trial_id, self.monitor, watch.attempt, watch.num_executions
        )
        watch.attempt = self._curve.attempt
        watch.num_executions += 1

    def on_epoch_end(self, epoch, logs=None):
        if self._curve is None:
            self.on_train_begin()
        logs = logs or {}
        if self.monitor not in logs:
            _check_may_come(self.monitor, logs)
            return
        if self.mode is None:
            self.mode = _inferred_mode(self.monitor, self.model)
        self._curves.add(self._curve, epoch + 1, float(logs[self.monitor]))
        if self._decides_after(epoch + 1):
            self._decide(epoch + 1)

    def on_train_end(self, logs=None):
        curve, self._curve = self._curve, None
        if curve is not None and not curve.values:
            raise _missing(self.monitor, logs or {})

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
        peers = [
            curve
            for curve in self._curves.of(self.monitor)
            if curve.trial != self._curve.trial
            and median_rule.running_average(curve.values, epoch, self.mode)
            is not None
        ]
        if len({curve.trial for curve in peers}) < self.min_trials:
            return
        of_peers = [curve.values for curve in peers]
        median = median_rule.median_of_averages(of_peers, epoch, self.mode)
        best = median_rule.best_so_far(self._curve.values, epoch, self.mode)
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


def _inferred_mode(monitor, model):
    """The direction as `keras.callbacks.EarlyStopping` infers it."""
    keras_own = keras.callbacks.EarlyStopping(monitor, mode="auto")
    keras_own.set_model(model)
    keras_own.on_train_begin()
    keras_own.on_epoch_end(0, {monitor: 0.0})
    return "max" if bool(keras_own.monitor_op(1.0, 0.0)) else "min"


def _check_may_come(monitor, logs):
    """Epochs without validation, with `validation_freq`, have no value."""
    is_validated = any(name.startswith("val_") for name in logs)
    if is_validated or not monitor.startswith("val_"):
        raise _missing(monitor, logs)


def _missing(monitor, logs):
    return ValueError(
        "Argument `monitor` must be a value that training reports. "
        f"Received: monitor={monitor!r}, with {sorted(logs)} reported"
    )
