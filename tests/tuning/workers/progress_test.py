import shutil

import pytest
from absl import logging

from keras_eff.tuning.workers.progress import Progress
from keras_eff.tuning.workers.progress import describe
from tests.tuning.read_trials_test import write_trial


@pytest.fixture
def messages(monkeypatch):
    """What is logged."""
    found = []
    monkeypatch.setattr(
        logging, "info", lambda text, *x: found.append(text % x)
    )
    return found


def test_a_change_is_logged_once(tmp_path, messages):
    progress = Progress(tmp_path / "project", interval_s=0.0)
    progress()
    write_trial(tmp_path / "project", "0")
    write_trial(tmp_path / "project", "1", status="RUNNING")
    progress()
    progress()
    assert messages == ["trials: 1 completed, 1 running"]


def test_it_looks_at_the_project_now_and_then(tmp_path, messages):
    progress = Progress(tmp_path, interval_s=1000.0)
    write_trial(tmp_path, "0")
    progress()
    assert not messages


def test_a_file_that_is_being_written_is_left_for_later(tmp_path, messages):
    progress = Progress(tmp_path, interval_s=0.0)
    write_trial(tmp_path, "0")
    path = tmp_path / "trial_0" / "trial.json"
    whole = path.read_text()
    path.write_text(whole[:20])
    progress()
    assert not messages
    path.write_text(whole)
    progress()
    assert messages == ["trials: 1 completed"]


def test_trials_that_vanish_are_an_error(tmp_path):
    for trial_id in "01":
        write_trial(tmp_path, trial_id)
    progress = Progress(tmp_path, interval_s=0.0)
    shutil.rmtree(tmp_path / "trial_1")
    with pytest.raises(RuntimeError, match="overwrite=False"):
        progress()


def test_no_trials_are_none():
    assert describe({}) == "none"
