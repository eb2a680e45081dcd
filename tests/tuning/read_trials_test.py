import json

import pytest

from keras_eff.tuning.read_trials import read_trials


def write_trial(directory, trial_id, metrics=None, **state):
    folder = directory / f"trial_{trial_id}"
    folder.mkdir(parents=True)
    observed = {
        name: {"direction": "max", "observations": observations}
        for name, observations in (metrics or {}).items()
    }
    state = {
        "trial_id": trial_id,
        "status": "COMPLETED",
        "score": 0.5,
        "best_step": 0,
        "hyperparameters": {"space": [], "values": {"width": 8}},
        "metrics": {"metrics": observed},
    } | state
    (folder / "trial.json").write_text(json.dumps(state))


def at(step, *values):
    return {"step": step, "value": list(values)}


def test_a_trial_is_a_row(tmp_path):
    write_trial(tmp_path, "0", {"accuracy": [at(0, 0.5)]})
    assert read_trials(tmp_path) == [
        {
            "trial_id": "0",
            "status": "COMPLETED",
            "score": 0.5,
            "hyperparameters": {"width": 8},
            "accuracy": 0.5,
        }
    ]


def test_rows_are_in_the_order_of_the_ids(tmp_path):
    for trial_id in ("02", "00", "01"):
        write_trial(tmp_path, trial_id)
    assert [row["trial_id"] for row in read_trials(tmp_path)] == [
        "00",
        "01",
        "02",
    ]


def test_a_metric_is_the_mean_of_its_executions_at_the_best_step(tmp_path):
    observations = [at(0, 9.0), at(3, 1.0, 2.0), at(5, 9.0)]
    write_trial(tmp_path, "0", {"accuracy": observations}, best_step=3)
    assert read_trials(tmp_path)[0]["accuracy"] == 1.5


def test_a_metric_without_the_best_step_is_what_was_seen_last(tmp_path):
    observations = [at(4, 2.0), at(0, 1.0)]
    write_trial(tmp_path, "0", {"latency_ms": observations}, best_step=3)
    assert read_trials(tmp_path)[0]["latency_ms"] == 2.0


def test_a_trial_that_failed_has_neither_score_nor_metrics(tmp_path):
    write_trial(tmp_path, "0", {"loss": []}, status="FAILED", score=None)
    (row,) = read_trials(tmp_path)
    assert (row["status"], row["score"]) == ("FAILED", None)
    assert "loss" not in row


def test_a_metric_does_not_hide_the_status(tmp_path):
    write_trial(tmp_path, "0", {"status": [at(0, 1.0)]})
    assert read_trials(tmp_path)[0]["status"] == "COMPLETED"


def test_a_project_without_trials_has_no_rows(tmp_path):
    assert read_trials(str(tmp_path)) == []


def test_a_missing_project_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="`directory`(?s:.*)lost"):
        read_trials(tmp_path / "lost")


@pytest.mark.parametrize("text", ["", '{"trial_id": "0"}', "[]", '{"best'])
def test_a_damaged_file_is_named(tmp_path, text):
    write_trial(tmp_path, "0")
    (tmp_path / "trial_0" / "trial.json").write_text(text)
    with pytest.raises(ValueError, match="trial_0/trial.json"):
        read_trials(tmp_path)
