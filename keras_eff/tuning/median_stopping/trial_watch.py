"""Which trial of a search a callback is in."""

import warnings

_HYPERBAND = {"Hyperband", "HyperbandOracle"}
_WITHOUT_SCORE = ("FAILED", "INVALID")
_HOOKS = ("oracle", "project_dir", "tuner_id", "on_trial_begin", "on_trial_end")


class TrialWatch:
    """Follows a tuner from trial to trial.

    keras-tuner tells a callback neither its trial nor its tuner, and copies
    it for each execution of a trial. The hooks of the tuner run in the process
    that trains, with one worker as with many. The first trial that ends without
    a training having been seen is warned of.
    """

    def __init__(self, tuner):
        check_tuner(tuner)
        self.num_trials = 0
        self.trial_id = None
        self._has_warned = False
        self._forget()
        self._begin = tuner.on_trial_begin
        self._end = tuner.on_trial_end
        tuner.on_trial_begin = self.on_trial_begin
        tuner.on_trial_end = self.on_trial_end

    def on_trial_begin(self, trial):
        self.num_trials += 1
        self.trial_id = trial.trial_id
        self._forget()
        self._begin(trial)

    def on_trial_end(self, trial):
        self.trial_id = None
        has_failed = trial.message or trial.status in _WITHOUT_SCORE
        if not (self.was_seen or has_failed or self._has_warned):
            self._has_warned = True
            warnings.warn(
                f"MedianStopping did not see trial {trial.trial_id}: no "
                "training of it had the callback, so that nothing is stopped. "
                "Give it to `tuner.search(callbacks=[...])`, and, in a "
                "`HyperModel.fit` or `run_trial` of your own, pass on the "
                "`callbacks` that it receives to `model.fit`.",
                stacklevel=2,
            )
        # A trial that failed keeps the trace of its error.
        trial.message = trial.message or self.message
        self._end(trial)

    def _forget(self):
        self.attempt = None
        self.num_executions = 0
        self.was_seen = False
        self.message = None


def check_tuner(tuner):
    """Refuses what is no tuner, and tuners that stop trials themselves."""
    kind = type(tuner)
    if not all(hasattr(tuner, name) for name in _HOOKS):
        raise TypeError(
            "Argument `tuner` must be a keras_tuner.Tuner. "
            f"Received: {kind.__module__}.{kind.__name__}"
        )
    bases = (*kind.__mro__, *type(tuner.oracle).__mro__)
    if not _HYPERBAND.isdisjoint(base.__name__ for base in bases):
        raise ValueError(
            "Argument `tuner` must not be a Hyperband: it stops trials itself, "
            "after a number of epochs that it chose, and goes on with the best "
            "of a bracket. Its trials are no curves of equal length, and one "
            "stopped within its budget would be promoted or dropped wrongly. "
            "Use RandomSearch, BayesianOptimization or GridSearch. "
            f"Received: tuner={kind.__module__}.{kind.__name__}"
        )
