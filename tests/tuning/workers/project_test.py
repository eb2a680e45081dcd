import json
import os

import pytest

from keras_eff.tuning.workers import project
from tests.tuning.read_trials_test import write_trial


# keras-tuner names its threads as Python did before 3.10.
def write_oracle(directory, ongoing, retry_queue=()):
    state = {"ongoing_trials": ongoing, "retry_queue": list(retry_queue)}
    (directory / "oracle.json").write_text(json.dumps(state | {"seed": 3}))


def read_oracle(directory):
    return json.loads((directory / "oracle.json").read_text())


def test_a_trial_that_has_ended_is_not_ongoing(tmp_path):
    for trial_id, status in enumerate(["COMPLETED", "FAILED", "RUNNING"]):
        write_trial(tmp_path, str(trial_id), status=status)
    write_oracle(tmp_path, {"a": "0", "b": "1", "c": "2", "d": "3"})
    project.settle(tmp_path)
    state = read_oracle(tmp_path)
    assert state["ongoing_trials"] == {"c": "2", "d": "3"}
    assert state["seed"] == 3


def test_a_trial_is_not_retried_twice(tmp_path):
    write_trial(tmp_path, "0", status="INVALID")
    write_oracle(tmp_path, {"a": "0"}, retry_queue=["0"])
    project.settle(tmp_path)
    state = read_oracle(tmp_path)
    assert (state["ongoing_trials"], state["retry_queue"]) == ({}, ["0"])


def test_a_directory_without_a_search_stays_as_it_is(tmp_path):
    project.settle(tmp_path)
    project.settle(tmp_path / "missing")
    assert not os.listdir(tmp_path)


def test_a_damaged_state_is_named(tmp_path):
    (tmp_path / "oracle.json").write_text("{")
    with pytest.raises(ValueError, match="oracle.json"):
        project.settle(tmp_path)


def test_trials_are_counted_by_status(tmp_path):
    for trial_id, status in enumerate(["COMPLETED", "FAILED", "COMPLETED"]):
        write_trial(tmp_path, str(trial_id), status=status)
    assert project.counts(tmp_path) == {"COMPLETED": 2, "FAILED": 1}
    assert project.counts(tmp_path / "missing") == {}


@pytest.mark.parametrize(
    ("first", "second"), [("chief", "tuner0"), ("tuner0", "chief")]
)
def test_keras_tuner_reads_what_another_process_wrote(
    first, second, tmp_path, monkeypatch
):
    monkeypatch.setenv("KERASTUNER_TUNER_ID", first)
    make_tuner(tmp_path).search()
    leave_last_trial_ongoing(tmp_path / "project")
    project.settle(tmp_path / "project")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", second)
    again = make_tuner(tmp_path)
    assert len(again.oracle.get_best_trials(9)) == 2
    again.search()
    assert not again.ran


def leave_last_trial_ongoing(directory):
    """As keras-tuner's chief does, which saves before it forgets the trial."""
    state = read_oracle(directory)
    state["ongoing_trials"] = {"tuner1": state["end_order"][-1]}
    (directory / "oracle.json").write_text(json.dumps(state))


def make_tuner(directory):
    import keras_tuner

    class Tuner(keras_tuner.RandomSearch):
        ran = ()

        def run_trial(self, trial):
            self.ran += (trial.trial_id,)
            return {"score": trial.hyperparameters.get("x")}

    return Tuner(
        lambda hp: hp.Float("x", 0.0, 1.0),
        objective=keras_tuner.Objective("score", "max"),
        max_trials=2,
        directory=str(directory),
        project_name="project",
    )
