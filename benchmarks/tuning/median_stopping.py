r"""What the median rules save, on learning curves that are replayed.

Random configurations of a small network are trained in full once, on 1,000
MNIST images, scikit-learn's digits or lines of 28 languages, and their curves
kept. Each seed replays them in a random order,
one after another, under our rule, under Optuna's `MedianPruner`, asked itself,
and under Ray's `MedianStoppingRule`, as its documentation describes it. A
trial's score is its best epoch. Epochs saved, and the loss of the best score
against training everything.

    python -m benchmarks.tuning.median_stopping --record
    python -m benchmarks.tuning.median_stopping --record --data=digits \
        --trials=60 --epochs=30 --rows=digits.jsonl
    python -m benchmarks.tuning.median_stopping --record --data=languages \
        --epochs=15 --rows=languages.jsonl

Without `--record`, curves that are there are replayed.
"""

import functools
import os
import pathlib
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from absl import app
from absl import flags

from benchmarks.support.rows import append
from benchmarks.support.rows import read
from keras_eff.tuning.median_stopping import median_rule

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "rows", "benchmarks/tuning/median_stopping.jsonl", "Curves."
)
flags.DEFINE_enum(
    "data", "mnist5k", ["mnist5k", "digits", "languages"], "What to learn."
)
flags.DEFINE_bool("record", False, "Train first what has no curve yet.")
flags.DEFINE_integer("trials", 40, "Configurations to train.")
flags.DEFINE_integer("epochs", 20, "Epochs of each training.")
flags.DEFINE_integer("replays", 20, "Random orders.")


def configuration(seed):
    random = np.random.default_rng(seed)
    return {
        "rate": float(10 ** random.uniform(-4.5, -0.5)),
        "units": int(2 ** random.integers(3, 8)),
        "dropout": float(random.choice([0.0, 0.25, 0.5])),
        "optimizer": str(random.choice(["SGD", "Adam", "RMSprop"])),
        "activation": str(random.choice(["relu", "tanh", "sigmoid"])),
    }


def network(chosen, shape, num_classes):
    """A dense network, compiled."""
    import keras

    pooling = [keras.layers.AveragePooling2D(2)] if len(shape) > 1 else []
    model = keras.Sequential(
        [
            keras.Input(shape),
            *pooling,
            keras.layers.Flatten(),
            keras.layers.Dense(chosen["units"], chosen["activation"]),
            keras.layers.Dropout(chosen["dropout"]),
            keras.layers.Dense(num_classes),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = getattr(keras.optimizers, chosen["optimizer"])(chosen["rate"])
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def load():
    """Training and validation data."""
    from benchmarks.support import data

    training, validation, _ = getattr(data, FLAGS.data)()
    if FLAGS.data == "mnist5k":
        training = tuple(array[:1000] for array in training)
    return training, validation


def train(seed, training, validation):
    import keras

    keras.utils.set_random_seed(seed)
    chosen = configuration(seed)
    shape, num_classes = training[0].shape[1:], int(training[1].max()) + 1
    model = network(chosen, shape, num_classes)
    history = model.fit(
        *training, 50, FLAGS.epochs, validation_data=validation, verbose=0
    )
    curve = [round(value, 4) for value in history.history["val_accuracy"]]
    return {"seed": seed, **chosen, "val_accuracy": curve}


def record(path):
    """Trains the configurations whose curves are not in the file."""
    known = {row["seed"] for row in read(path)}
    training, validation = load()
    for seed in set(range(FLAGS.trials)) - known:
        begin = time.perf_counter()
        row = train(seed, training, validation)
        row["seconds"] = round(time.perf_counter() - begin, 1)
        append(path, row)


def replayed(curves, stops_after):
    """Each curve as far as a rule lets it go, in their order."""
    seen = []
    for curve in curves:
        length = len(curve)
        for epoch in range(1, length):
            if stops_after(curve, epoch, seen):
                length = epoch
                break
        seen.append(curve[:length])
    return seen


def ours(warmup_epochs=3, min_trials=5):
    def stops(curve, epoch, seen):
        own, *peers = [dict(enumerate(c, 1)) for c in (curve, *seen)]
        averages = [median_rule.running_average(p, epoch, "max") for p in peers]
        known = [average for average in averages if average is not None]
        if epoch <= warmup_epochs or len(known) < min_trials:
            return False
        best = median_rule.best_so_far(own, epoch, "max")
        median = statistics.median(known)
        return median_rule.is_behind(best, median, "max", 0.0)

    return stops


def ray(grace_period=1, min_samples_required=3):
    """Ray Tune's rule: best result against running means, from epoch 1.

    Its own grace period is 60 s: by epochs, it must be chosen.
    """

    def stops(curve, epoch, seen):
        means = [np.mean(c[:epoch]) for c in seen if len(c) >= epoch]
        if epoch < grace_period or len(means) < min_samples_required:
            return False
        return max(curve[:epoch]) < np.median(means)

    return stops


def optuna_lengths(curves):
    """Optuna's `MedianPruner` with its defaults, in a study of its own."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize", pruner=optuna.pruners.MedianPruner()
    )
    seen = []
    for curve in curves:
        trial = study.ask()
        state, length = optuna.trial.TrialState.COMPLETE, len(curve)
        for epoch in range(1, length):
            trial.report(curve[epoch - 1], epoch)
            if trial.should_prune():
                state, length = optuna.trial.TrialState.PRUNED, epoch
                break
        else:
            trial.report(curve[-1], length)
        is_pruned = state == optuna.trial.TrialState.PRUNED
        study.tell(trial, None if is_pruned else max(curve), state)
        seen.append(curve[:length])
    return seen


RULES = {
    f"`warmup_epochs={warmup}, min_trials={trials}`": functools.partial(
        replayed, stops_after=ours(warmup, trials)
    )
    for warmup in (3, 2, 1, 0)
    for trials in (5, 3)
} | {
    "Optuna MedianPruner, defaults": optuna_lengths,
    "Ray, grace_period=1": lambda curves: replayed(curves, ray()),
}


def report(curves, replays):
    total = sum(map(len, curves))
    best = max(map(max, curves))
    columns = (
        *("rule", "epochs saved, mean (least to most)"),
        *("best score lost, mean (most)", "kept"),
    )
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for name, rule in RULES.items():
        saved, lost = [], []
        for seed in range(replays):
            order = np.random.default_rng(seed).permutation(len(curves))
            seen = rule([curves[i] for i in order])
            saved.append(1 - sum(map(len, seen)) / total)
            lost.append(best - max(map(max, seen)))
        kept = sum(loss == 0 for loss in lost)
        print(
            f"| {name} | {np.mean(saved):.3f} ({min(saved):.3f}-"
            f"{max(saved):.3f}) | {np.mean(lost):.4f} ({max(lost):.4f}) | "
            f"{kept} of {replays} |"
        )


def main(_):
    path = pathlib.Path(FLAGS.rows)
    if FLAGS.record:
        record(path)
    report([row["val_accuracy"] for row in read(path)], FLAGS.replays)


if __name__ == "__main__":
    app.run(main)
