"""Searches for image classifiers that are fast on this machine, and ships them.

keras-tuner chooses width, depth and blocks. A model that would be too slow in
8-bit integers fails before it is trained (`--max_latency_ms`), and one that
learns worse than most is stopped (`MedianStopping`). The front of the search,
those that no other beats in accuracy, latency and size at once, is quantized,
written and measured on the test images: a table, and a picture, `front.png`, in
`--out_dir`. An interrupted search goes on where it was.

    python examples/search_architecture.py
    python examples/search_architecture.py --dataset=cifar10 --max_trials=60
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_tuner
from absl import app

import keras_eff
from support import search_classifiers as search


class Classifiers(keras_tuner.HyperModel):
    def __init__(self, data):
        super().__init__()
        self.data = data

    def build(self, hp):
        return search.build_classifier(hp, self.data)

    def fit(self, hp, model, *args, **kwargs):
        cost = keras_eff.tuning.measure_trial(
            model,
            self.data.train[0],
            quantize="int8",
            max_latency_ms=search.MAX_LATENCY_MS.value,
        )
        history = model.fit(*args, **kwargs).history
        return {"val_accuracy": max(history["val_accuracy"]), **cost}


def run_search(data, folder):
    tuner = keras_tuner.BayesianOptimization(
        Classifiers(data),
        objective=keras_tuner.Objective("val_accuracy", "max"),
        max_trials=search.MAX_TRIALS.value,
        # Its default is more trials than this search has.
        num_initial_points=search.MAX_TRIALS.value // 3 + 1,
        max_consecutive_failed_trials=search.MAX_TRIALS.value,
        seed=search.SEED.value,
        directory=folder,
        project_name="search",
    )
    stopping = keras_eff.callbacks.MedianStopping(
        tuner,
        min_trials=search.MIN_TRIALS,
        warmup_epochs=search.FIRST_EPOCHS,
    )
    tuner.search(
        *data.train,
        batch_size=search.BATCH_SIZE,
        epochs=search.EPOCHS.value,
        validation_data=data.validation,
        callbacks=[stopping],
        verbose=0,
    )
    return tuner


def main(_):
    data, folder = search.start()
    tuner = run_search(data, folder)

    def load_model(row):
        """The model as it was after the best epoch of a trial."""
        return tuner.load_model(tuner.oracle.get_trial(row["trial_id"]))

    search.ship_front(tuner, load_model, data, folder)


if __name__ == "__main__":
    app.run(main)
