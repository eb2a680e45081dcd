"""A search of small networks on 1,000 MNIST images, alone or by many workers.

live_search.py and live_workers.py run it. A trial's weights and batches come
from its hyperparameters: two searches train the same trial in the same way.
"""

import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
from absl import app
from absl import flags

from benchmarks.support.data import mnist5k
from benchmarks.support.rows import trial_seed
from benchmarks.tuning import median_stopping
from keras_eff.callbacks import MedianStopping

FLAGS = flags.FLAGS
flags.DEFINE_string("directory", None, "Of the search.")
flags.DEFINE_integer("search_seed", 1, "Seed of the search.", 1)
flags.DEFINE_integer("max_trials", 30, "Trials of the search.")
flags.DEFINE_bool("dry_run", False, "Train everything to its end.")

EPOCHS = 20
PROJECT = "project"


class Networks(keras_tuner.HyperModel):
    """What median_stopping.py trains, with hyperparameters of a tuner."""

    def build(self, hp):
        chosen = {
            "rate": hp.Float("rate", 10**-4.5, 10**-0.5, sampling="log"),
            "units": hp.Choice("units", [8, 16, 32, 64, 128]),
            "dropout": hp.Choice("dropout", [0.0, 0.25, 0.5]),
            "optimizer": hp.Choice("optimizer", ["SGD", "Adam", "RMSprop"]),
            "activation": hp.Choice("activation", ["relu", "tanh", "sigmoid"]),
        }
        keras.utils.set_random_seed(trial_seed(hp))
        return median_stopping.network(chosen, (28, 28, 1), 10)

    def fit(self, hp, model, *args, **kwargs):
        keras.utils.set_random_seed(trial_seed(hp))
        history = model.fit(*args, **kwargs).history
        return {
            "val_accuracy": max(history["val_accuracy"]),
            "num_parameters": model.count_params(),
        }


class Tuner(keras_tuner.RandomSearch):
    """Notes when a trial begins and ends, as many_workers_search.py does."""

    def run_trial(self, trial, *args, **kwargs):
        self._note(trial, "begin")
        results = super().run_trial(trial, *args, **kwargs)
        self._note(trial, "end")
        return results

    def _note(self, trial, event):
        words = (event, trial.trial_id, self.tuner_id, os.getpid())
        with open(pathlib.Path(self.directory) / "events", "a") as file:
            file.write(" ".join(map(str, words)) + "\n")


def make_tuner(directory, seed=1, max_trials=30):
    return Tuner(
        Networks(),
        objective=keras_tuner.Objective("val_accuracy", "max"),
        max_trials=max_trials,
        seed=seed,
        directory=directory,
        project_name=PROJECT,
    )


def main(_):
    training, validation, _ = mnist5k()
    pathlib.Path(FLAGS.directory).mkdir(parents=True, exist_ok=True)
    tuner = make_tuner(FLAGS.directory, FLAGS.search_seed, FLAGS.max_trials)
    begin = time.perf_counter(), time.process_time()
    tuner.search(
        *(array[:1000] for array in training),
        batch_size=50,
        epochs=EPOCHS,
        validation_data=validation,
        callbacks=[MedianStopping(tuner, dry_run=FLAGS.dry_run)],
        verbose=0,
    )
    # What is last on the standard output, for live_search.py.
    print(time.perf_counter() - begin[0], time.process_time() - begin[1])


if __name__ == "__main__":
    flags.mark_flag_as_required("directory")
    app.run(main)
