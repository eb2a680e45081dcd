"""A search whose trials note in a file when they begin and end, and sleep.

many_workers.py launches it; its first argument is the directory.
"""

import os
import pathlib
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_tuner

TRIALS = 20
TRIAL_S = 1.5


class Tuner(keras_tuner.RandomSearch):
    """Trains nothing: a width costs time and gives accuracy."""

    def run_trial(self, trial):
        width = trial.hyperparameters.get("width")
        self._note(trial, "begin")
        time.sleep(TRIAL_S)
        self._note(trial, "end")
        return {"score": 1.0 - 1.0 / width, "latency_ms": 0.1 * width}

    def _note(self, trial, event):
        words = (event, trial.trial_id, self.tuner_id, os.getpid())
        with open(pathlib.Path(self.directory) / "events", "a") as file:
            file.write(" ".join(map(str, words)) + "\n")


def make_tuner(directory):
    return Tuner(
        lambda hp: hp.Int("width", 1, 1000),
        objective=keras_tuner.Objective("score", "max"),
        max_trials=TRIALS,
        seed=0,
        directory=directory,
        project_name="project",
    )


if __name__ == "__main__":
    make_tuner(sys.argv[1]).search()
