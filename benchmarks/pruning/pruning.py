"""Accuracy and bytes of pruned files, by method and sparsity.

One float network is trained for each seed; each method prunes and fine-tunes
it, for as many epochs as the row of sparsity 0 trains on. The files are float;
their accuracy is measured, not that of the Keras model. The rows go to a file
of JSON lines as they are made, and a run that was stopped goes on there:

    python -m benchmarks.pruning.pruning --rows=mnist5k.jsonl
    python -m benchmarks.pruning.pruning --rows=a.jsonl --dataset=cifar10
    python -m benchmarks.pruning.pruning --only_report --figure=pruning.png
"""

import functools
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags

import keras_eff
from benchmarks.pruning.pruning_report import print_table
from benchmarks.pruning.pruning_report import save_figure
from benchmarks.support.data import mnist5k_or_cifar10
from benchmarks.support.nets import train
from benchmarks.support.nets import trained_once
from benchmarks.support.rows import append
from benchmarks.support.rows import read
from keras_eff.callbacks import PruningScheduler
from keras_eff.schedules import PolynomialDecay

FLAGS = flags.FLAGS
flags.DEFINE_enum("dataset", "mnist5k", ["mnist5k", "cifar10"], "Images.")
flags.DEFINE_list("sparsities", "0,0.5,0.75,0.8,0.9,0.95", "Shares of zeros.")
flags.DEFINE_list("seeds", "0", "Seeds.")
flags.DEFINE_list("methods", None, "Names in METHODS; all by default.")
flags.DEFINE_integer("epochs", 10, "Epochs of the float network.")
flags.DEFINE_integer("tune_epochs", 6, "Epochs of pruning and fine-tuning.")
flags.DEFINE_integer("train_size", 10000, "CIFAR-10 images to train on.")
flags.DEFINE_string("rows", "pruning.jsonl", "File of finished rows.")
flags.DEFINE_bool("only_report", False, "Whether to print what is there.")
flags.DEFINE_string("figure", None, "Where to save a picture of the rows.")

fit = functools.partial(train, from_logits=True)

# Arguments of `keras_eff.prune`, and of `PruningScheduler`.
METHODS = {
    "magnitude/layer": ({}, {}),
    "magnitude/global": ({}, {"scope": "global"}),
    "ERK + RigL": ({}, {"distribution": "erk", "regrow": "gradient"}),
    "momentum (SNFS)": ({}, {"regrow": "momentum"}),
    "2:4": ({"pattern": "2:4"}, {}),
    "blocks of 4x1": ({"block_shape": (4, 1)}, {}),
}


def build(shape):
    """Convolutions and, for digits, a Dense layer that most weights are in."""
    layers = [keras.Input(shape)]
    digits = shape[0] == 28
    for filters in (16, 32) if digits else (32, 32, 64, 64, 128, 128):
        strides = 1 if digits or filters == 32 else 2
        layers += [
            keras.layers.Conv2D(
                filters, 3, strides, padding="same", use_bias=False
            ),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
        ]
        if digits:
            layers.append(keras.layers.MaxPooling2D())
    if digits:
        layers += [
            keras.layers.Flatten(),
            keras.layers.Dense(320, activation="relu"),
        ]
    else:
        layers.append(keras.layers.GlobalAveragePooling2D())
    return keras.Sequential([*layers, keras.layers.Dense(10)])


def float_model(seed, data, folder):
    path = folder / f"{FLAGS.dataset}_{seed}_{FLAGS.epochs}.keras"

    def make():
        keras.utils.set_random_seed(seed)
        return fit(build(data[0].shape[1:]), data, FLAGS.epochs, 3e-3)

    return trained_once(path, make)


def pruned_model(model, method, sparsity, data):
    """The model, pruned in the first two thirds of the fine-tuning."""
    if not sparsity:
        return fit(model, data, FLAGS.tune_epochs, 1e-3)
    pruning, scheduling = METHODS[method]
    steps = FLAGS.tune_epochs * -(-len(data[1]) // 64)
    schedule = PolynomialDecay(0.0, sparsity, 0, steps * 2 // 3 // 10 * 10)
    callback = PruningScheduler(
        interval=10,
        dataset=data if "regrow" in scheduling else None,
        **scheduling,
    )
    pruned = keras_eff.prune(model, schedule, **pruning)
    return fit(pruned, data, FLAGS.tune_epochs, 1e-3, [callback])


def figures(model, data, test, folder):
    """Of the dense file, of the sparse one and of the int8 one."""
    images, labels = test
    samples = data[0][:200]
    found = {"sparsity": keras_eff.sparsity(model).total.sparsity}
    quantized = keras_eff.calibrate(keras_eff.quantize(model), samples)
    for name, exported, options in (
        ("dense", model, {}),
        ("sparse", model, {"sparse": True}),
        ("int8", quantized, {}),
    ):
        path = folder / f"{name}.tflite"
        report = keras_eff.export.to_tflite(
            exported, path, samples=samples, **options
        )
        (outputs,) = keras_eff.export.execute(path, [images]).delegate
        latency = keras_eff.latency.measure(path)
        found |= {
            f"{name}_accuracy": float(np.mean(outputs.argmax(-1) == labels)),
            f"{name}_bytes": report.size_bytes,
            f"{name}_gzip": report.gzip_bytes,
            f"{name}_ms": latency.median_ms,
        }
    return found


def cells():
    """The rows to make: (seed, method, sparsity)."""
    for seed in map(int, FLAGS.seeds):
        for sparsity in map(float, FLAGS.sparsities):
            methods = FLAGS.methods or METHODS
            for method in methods if sparsity else ["none"]:
                if method != "2:4" or sparsity <= 0.5:
                    yield seed, method, sparsity


def make_rows(path):
    data, test = mnist5k_or_cifar10(FLAGS.dataset, FLAGS.train_size)
    known = {(r["seed"], r["method"], r["asked"]) for r in read(path)}
    folder = pathlib.Path(tempfile.gettempdir()) / "keras_eff_pruning"
    folder.mkdir(exist_ok=True)
    for seed, method, sparsity in cells():
        if (seed, method, sparsity) in known:
            continue
        model = float_model(seed, data, folder)
        keras.utils.set_random_seed(seed)
        model = pruned_model(model, method, sparsity, data)
        row = {
            "dataset": FLAGS.dataset,
            "seed": seed,
            "method": method,
            "asked": sparsity,
            "num_parameters": model.count_params(),
            **figures(model, data, test, folder),
        }
        append(path, row)
        print(seed, method, sparsity, row["dense_accuracy"], flush=True)
        keras.backend.clear_session()


def main(_):
    path = pathlib.Path(FLAGS.rows)
    if not FLAGS.only_report:
        make_rows(path)
    rows = read(path)
    print_table(rows)
    if FLAGS.figure:
        save_figure(rows, FLAGS.figure)


if __name__ == "__main__":
    app.run(main)
