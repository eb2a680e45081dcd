"""Half of the channels of a trained network removed, on real images.

For each seed: the network as trained, and trained on; half of its channels
removed at once, and gradually in training, each fine-tuned for as many epochs;
and the same small network trained from scratch, for as long as all that. Files
are float and post-training int8; accuracy is that of the files on the test
images. Rows go to a file of JSON lines as they are made, and a run that was
stopped goes on there:

    python -m benchmarks.channels.channels --rows=mnist5k.jsonl
    python -m benchmarks.channels.channels --rows=a.jsonl --dataset=cifar10
"""

import functools
import os
import pathlib
import statistics
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from absl import app
from absl import flags

import keras_eff
from benchmarks.support.accuracy import accuracy
from benchmarks.support.data import mnist5k_or_cifar10
from benchmarks.support.nets import train
from benchmarks.support.nets import trained_once
from benchmarks.support.rows import append
from benchmarks.support.rows import read
from keras_eff.callbacks import ChannelPruning
from keras_eff.schedules import PolynomialDecay

FLAGS = flags.FLAGS
flags.DEFINE_enum("dataset", "mnist5k", ["mnist5k", "cifar10"], "Images.")
flags.DEFINE_list("seeds", "0,1,2", "Seeds.")
flags.DEFINE_float("sparsity", 0.5, "Share of the channels that goes.")
flags.DEFINE_integer("epochs", 10, "Epochs of the whole network.")
flags.DEFINE_integer("tune_epochs", 6, "Epochs of fine-tuning.")
flags.DEFINE_integer("train_size", 10000, "CIFAR-10 images to train on.")
flags.DEFINE_integer("rounds", 5, "Rounds of latency measurements.")
flags.DEFINE_string("rows", "channels.jsonl", "File of finished rows.")

_FREQUENCY = 10
fit = functools.partial(train, from_logits=True)


def _convolution(x, filters, strides=1):
    x = keras.layers.Conv2D(
        filters, 3, strides, padding="same", use_bias=False
    )(x)
    return keras.layers.BatchNormalization(momentum=0.9)(x)


def build(shape):
    """A residual network of three stages."""
    inputs = keras.Input(shape)
    x = keras.layers.ReLU()(_convolution(inputs, 32))
    for filters in (32, 64, 128):
        x = keras.layers.ReLU()(_convolution(x, filters, 2))
        y = keras.layers.ReLU()(_convolution(x, filters))
        y = _convolution(y, filters)
        x = keras.layers.ReLU()(keras.layers.Add()([x, y]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10)(x))


def whole(seed, data, folder):
    path = folder / f"channels_{FLAGS.dataset}_{seed}_{FLAGS.epochs}.keras"

    def make():
        keras.utils.set_random_seed(seed)
        return fit(build(data[0].shape[1:]), data, FLAGS.epochs, 3e-3)

    return trained_once(path, make)


def as_trained(model, data):
    return model


def trained_on(model, data):
    return fit(model, data, FLAGS.tune_epochs, 1e-3)


def removed(model, data):
    return keras_eff.remove_channels(model, FLAGS.sparsity)


def removed_and_tuned(model, data):
    return fit(removed(model, data), data, FLAGS.tune_epochs, 1e-3)


def removed_gradually(model, data):
    """Silenced in the first half of the epochs, removed at the end."""
    steps = FLAGS.tune_epochs * -(-len(data[1]) // 64)
    schedule = PolynomialDecay(
        0.0, FLAGS.sparsity, 0, steps // 2 // _FREQUENCY * _FREQUENCY
    )
    pruning = ChannelPruning(schedule, _FREQUENCY)
    fit(model, data, FLAGS.tune_epochs, 1e-3, [pruning])
    return keras_eff.remove_channels(model)


def small_from_scratch(model, data):
    small = keras.models.clone_model(removed(model, data))
    return fit(small, data, FLAGS.epochs + FLAGS.tune_epochs, 3e-3)


METHODS = {
    function.__name__.replace("_", " "): function
    for function in (
        as_trained,
        trained_on,
        removed,
        removed_and_tuned,
        removed_gradually,
        small_from_scratch,
    )
}


def figures(model, data, test, folder):
    found = {"num_parameters": model.count_params()}
    paths = {}
    for kind, quantize in (("float", None), ("int8", "int8")):
        path = paths[kind] = folder / f"{kind}.tflite"
        report = keras_eff.export.to_tflite(
            model, path, quantize, data[0][:500]
        )
        found[f"{kind}_accuracy"] = float(accuracy(path, *test))
        found[f"{kind}_bytes"] = report.size_bytes
    for kind, path in paths.items():
        found[f"{kind}_ms"] = statistics.median(
            keras_eff.latency.measure(path).median_ms
            for _ in range(FLAGS.rounds)
        )
    return found


def make_rows(path):
    data, test = mnist5k_or_cifar10(FLAGS.dataset, FLAGS.train_size)
    known = {(row["seed"], row["method"]) for row in read(path)}
    folder = pathlib.Path(tempfile.gettempdir())
    for seed in map(int, FLAGS.seeds):
        for name, method in METHODS.items():
            if (seed, name) in known:
                continue
            model = whole(seed, data, folder)
            keras.utils.set_random_seed(seed)
            model = method(model, data)
            with tempfile.TemporaryDirectory() as files:
                found = figures(model, data, test, pathlib.Path(files))
            row = {"seed": seed, "method": name, **found}
            append(path, row)
            keras.backend.clear_session()


def print_table(rows):
    print(
        "| network | seeds | parameters | float accuracy | int8 accuracy | "
        "bytes, float / int8 | ms, float / int8 |\n" + "|---" * 7 + "|"
    )
    for name in METHODS:
        own = [row for row in rows if row["method"] == name]
        if not own:
            continue

        def mean(key, own=own):
            return statistics.mean(row[key] for row in own)

        def range_of(key, own=own):
            values = [row[key] for row in own]
            return f"{mean(key):.3f} ({min(values):.3f}-{max(values):.3f})"

        print(
            f"| {name} | {len(own)} | {mean('num_parameters'):,.0f} | "
            f"{range_of('float_accuracy')} | {range_of('int8_accuracy')} | "
            f"{mean('float_bytes'):,.0f} / {mean('int8_bytes'):,.0f} | "
            f"{mean('float_ms'):.3f} / {mean('int8_ms'):.3f} |"
        )


def main(_):
    path = pathlib.Path(FLAGS.rows)
    make_rows(path)
    print_table(read(path))


if __name__ == "__main__":
    app.run(main)
