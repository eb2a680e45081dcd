import types

import pytest

from keras_eff.tuning.median_stopping.trial_watch import TrialWatch


class Tuner:
    oracle = None
    project_dir = "project"
    tuner_id = "tuner0"

    def __init__(self):
        self.calls = []

    def on_trial_begin(self, trial):
        self.calls.append(("begin", trial.trial_id))

    def on_trial_end(self, trial):
        self.calls.append(("end", trial.message))


def trial(message=None, status="RUNNING"):
    return types.SimpleNamespace(trial_id="7", message=message, status=status)


def test_it_knows_the_trial_while_the_tuner_is_in_it():
    tuner = Tuner()
    watch = TrialWatch(tuner)
    assert watch.trial_id is None
    tuner.on_trial_begin(trial())
    watch.was_seen = True
    assert watch.trial_id == "7"
    tuner.on_trial_end(trial())
    assert watch.trial_id is None
    assert tuner.calls == [("begin", "7"), ("end", None)]


def test_its_message_is_on_the_trial_but_hides_no_error():
    tuner = Tuner()
    watch = TrialWatch(tuner)
    for message in (None, "trace"):
        tuner.on_trial_begin(trial())
        watch.was_seen = True
        watch.message = "stopped"
        tuner.on_trial_end(trial(message))
    tuner.on_trial_begin(trial())
    watch.was_seen = True
    tuner.on_trial_end(trial())
    ends = [what for kind, what in tuner.calls if kind == "end"]
    assert ends == ["stopped", "trace", None]


def test_a_trial_without_a_training_is_warned_of_once():
    tuner = Tuner()
    watch = TrialWatch(tuner)
    for end in (trial("trace"), trial(status="FAILED")):
        tuner.on_trial_begin(trial())
        tuner.on_trial_end(end)
    tuner.on_trial_begin(trial())
    with pytest.warns(UserWarning, match="MedianStopping did not see trial 7"):
        tuner.on_trial_end(trial())
    tuner.on_trial_begin(trial())
    assert not watch.was_seen
    tuner.on_trial_end(trial())


def test_what_is_no_tuner_is_refused():
    with pytest.raises(TypeError, match="keras_tuner.Tuner. Received: builtin"):
        TrialWatch(3)


def test_an_oracle_of_hyperband_is_refused():
    tuner = Tuner()
    tuner.oracle = type("HyperbandOracle", (), {})()
    with pytest.raises(ValueError, match="must not be a Hyperband"):
        TrialWatch(tuner)
