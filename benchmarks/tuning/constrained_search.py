"""Whether a search with a limit on latency finds better models under it.

The space is that of examples/search_architecture.py, the limit one that
about half of it meets in 8-bit integers. Three searches of as many trials, on
1,000 images of MNIST-5k, for each seed:

- failing: `measure_trial(max_latency_ms=...)`, Bayesian. Models over the limit
  fail before they are trained.
- reward: Bayesian. Models over the limit are not trained either, but score
  `mnas_reward` of an accuracy of chance, so that the search learns from them.
- random: trains everything, and the best model under the limit counts.

Models are chosen by validation accuracy. Test accuracy, of the Keras model, is
looked at here alone. All searches share a cache of latencies: what a search
has measured costs the next nothing. Rows that exist are not made again.

    python -m benchmarks.tuning.constrained_search
"""

import contextlib
import itertools
import os
import pathlib
import statistics
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
from absl import app
from absl import flags

from benchmarks.support.rows import append
from benchmarks.support.rows import read
from benchmarks.support.rows import trial_seed
from examples.support import image_data
from examples.support import search_classifiers
from keras_eff.layers.cloning import layers_of
from keras_eff.tuning import measure_trial
from keras_eff.tuning import mnas_reward
from keras_eff.tuning.read_trials import read_trials

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "rows", "benchmarks/tuning/constrained_search.jsonl", "Results."
)
flags.DEFINE_string("cache", "latency_cache", "Directory of latencies.")
flags.DEFINE_list("methods", "failing,random,reward", "Searches, in order.")
# keras-tuner takes a seed of 0 for none.
flags.DEFINE_list("seeds", "1,2,3", "Seeds of the searches.")
flags.DEFINE_integer("trials", 24, "Trials of a search.")
flags.DEFINE_integer("trial_epochs", 4, "Epochs of a trial.")
flags.DEFINE_integer("initial_points", 8, "Random trials that come first.")
flags.DEFINE_float("target_ms", 0.02, "The limit.")

_CHANCE = 0.1


class Classifiers(keras_tuner.HyperModel):
    """The models of the example, trained or not by a method."""

    def __init__(self, data, method):
        super().__init__()
        self.data = data
        self.method = method

    def build(self, hp):
        keras.utils.set_random_seed(trial_seed(hp))
        model = search_classifiers.build_classifier(hp, self.data)
        # So few steps would not move the default's averages far enough.
        for layer in layers_of(model, keras.layers.BatchNormalization):
            layer.momentum = 0.9
        return model

    def fit(self, hp, model, *args, **kwargs):
        is_failing = self.method == "failing"
        cost = measure_trial(
            model,
            self.data.train[0],
            quantize="int8",
            max_latency_ms=FLAGS.target_ms if is_failing else None,
            cache=FLAGS.cache,
        )
        latency_ms = cost["latency_ms"]
        if self.method == "reward" and latency_ms > FLAGS.target_ms:
            untrained = (_CHANCE, latency_ms, FLAGS.target_ms, -1.0)
            return {"val_accuracy": mnas_reward(*untrained, hard=True), **cost}
        keras.utils.set_random_seed(trial_seed(hp))
        history = model.fit(*args, **kwargs).history
        return {"val_accuracy": max(history["val_accuracy"]), **cost}


def make_tuner(method, seed, data, folder):
    options = {
        "objective": keras_tuner.Objective("val_accuracy", "max"),
        "max_trials": FLAGS.trials,
        "max_consecutive_failed_trials": FLAGS.trials,
        "seed": seed,
        "directory": folder,
        "project_name": method,
    }
    models = Classifiers(data, method)
    if method == "random":
        return keras_tuner.RandomSearch(models, **options)
    # By default, three for each hyperparameter would be random: all trials.
    options["num_initial_points"] = FLAGS.initial_points
    return keras_tuner.BayesianOptimization(models, **options)


def search(method, seed, data, folder):
    """One search, as a row."""
    tuner = make_tuner(method, seed, data, folder)
    begin = time.perf_counter(), time.process_time()
    tuner.search(
        *data.train,
        batch_size=32,
        epochs=FLAGS.trial_epochs,
        validation_data=data.validation,
        verbose=0,
    )
    seconds = time.perf_counter() - begin[0]
    cpu_seconds = time.process_time() - begin[1]
    return {
        "method": method,
        "seed": seed,
        "target_ms": FLAGS.target_ms,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        **result(tuner, data, pathlib.Path(folder) / method),
    }


def result(tuner, data, project):
    trials = read_trials(project)
    ended = [trial for trial in trials if trial["status"] == "COMPLETED"]
    under = [x for x in ended if x["latency_ms"] <= FLAGS.target_ms]
    best = max(under, key=lambda trial: trial["val_accuracy"])
    model = tuner.load_model(tuner.oracle.get_trial(best["trial_id"]))
    test = model.evaluate(*data.test, verbose=0, return_dict=True)
    return {
        "trials": len(trials),
        "under": len(under),
        "val_accuracy": round(best["val_accuracy"], 4),
        "test_accuracy": round(test["accuracy"], 4),
        "latency_ms": round(best["latency_ms"], 4),
        "hyperparameters": best["hyperparameters"],
        "all": [
            [round(x["latency_ms"], 4), round(x["val_accuracy"], 4)]
            for x in ended
        ],
    }


def print_table(rows):
    columns = (
        *("seed", "search", "trials under the limit", "seconds"),
        *("processor seconds", "best validation accuracy"),
        *("its test accuracy", "its latency, ms"),
    )
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    names = (
        *("seed", "method", "under", "seconds", "cpu_seconds"),
        *("val_accuracy", "test_accuracy", "latency_ms"),
    )
    for row in rows:
        print(f"| {' | '.join(str(row[name]) for name in names)} |")
    for method in FLAGS.methods:
        own = [row for row in rows if row["method"] == method]
        means = [
            statistics.fmean(row[name] for row in own) for name in names[2:]
        ]
        formats = ("{:.1f}",) * 3 + ("{:.4f}",) * 3
        cells = [f.format(x) for f, x in zip(formats, means, strict=True)]
        print(f"| mean | {method} | {' | '.join(cells)} |")


def main(_):
    path = pathlib.Path(FLAGS.rows)
    data = image_data.load_images(image_data.MNIST_5K, train_size=1000)
    known = {(row["seed"], row["method"]) for row in read(path)}
    wanted = itertools.product(map(int, FLAGS.seeds), FLAGS.methods)
    for seed, method in wanted:
        if (seed, method) not in known:
            with (
                tempfile.TemporaryDirectory() as folder,
                contextlib.redirect_stdout(sys.stderr),
            ):
                append(path, search(method, seed, data, folder))
    print_table(sorted(read(path), key=lambda row: row["seed"]))


if __name__ == "__main__":
    app.run(main)
