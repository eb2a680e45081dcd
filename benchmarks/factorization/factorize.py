"""Dense and convolutional networks in factors of low rank, on real images.

For each seed: the network as trained, and trained on; its kernels factorized
at several energies, as they are and fine-tuned for as many epochs; and the
same factors trained from scratch, for as long as all that. Files are float and
post-training int8; accuracy is that of the files on the test images of
MNIST-5k, latencies are medians over rounds in which all files of a seed take
turns. Rows go to a file of JSON lines as they are made, and a run that was
stopped goes on there:

    python -m benchmarks.factorization.factorize --rows=mnist5k.jsonl
"""

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
from benchmarks.support.data import mnist5k
from benchmarks.support.nets import train
from benchmarks.support.rows import append
from benchmarks.support.rows import read

FLAGS = flags.FLAGS
flags.DEFINE_list("seeds", "0,1,2", "Seeds.")
flags.DEFINE_list("energies", "0.9,0.7,0.5", "Energies to keep.")
flags.DEFINE_integer("epochs", 8, "Epochs of the whole network.")
flags.DEFINE_integer("tune_epochs", 2, "Epochs of fine-tuning.")
flags.DEFINE_integer("rounds", 5, "Rounds of latency measurements.")
flags.DEFINE_string("rows", "factorize.jsonl", "File of finished rows.")


def dense():
    inputs = keras.Input((28, 28, 1))
    x = keras.layers.Flatten()(inputs)
    for units in (512, 512, 256):
        x = keras.layers.Dense(units, activation="relu")(x)
    return keras.Model(inputs, keras.layers.Dense(10, "softmax")(x))


def conv():
    inputs = x = keras.Input((28, 28, 1))
    for filters, strides in ((32, 2), (64, 1), (64, 2), (128, 1)):
        x = keras.layers.Conv2D(
            filters, 3, strides, padding="same", use_bias=False
        )(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(10, "softmax")(x))


NETS = {"dense": dense, "conv": conv}


def variants(whole, data):
    """Pairs of a name and a model; `whole` makes the trained one anew."""
    yield "as trained", whole()
    yield "trained on", train(whole(), data, FLAGS.tune_epochs, 1e-3)
    for energy in map(float, FLAGS.energies):
        smaller = keras_eff.factorize(whole(), energy=energy)
        yield f"energy {energy}", smaller
        scratch = keras.models.clone_model(smaller)
        yield (
            f"energy {energy}, tuned",
            train(smaller, data, FLAGS.tune_epochs, 1e-3),
        )
        yield (
            f"energy {energy}, from scratch",
            train(scratch, data, FLAGS.epochs + FLAGS.tune_epochs, 3e-3),
        )


def figures(model, data, test, folder, index):
    """What a model and its files take and reach; and the files."""
    found, paths = {"num_parameters": model.count_params()}, []
    for kind, quantize in (("float", None), ("int8", "int8")):
        path = folder / f"{index}_{kind}.tflite"
        report = keras_eff.export.to_tflite(
            model, path, quantize, data[0][:500]
        )
        found[f"{kind}_accuracy"] = float(accuracy(path, *test))
        found[f"{kind}_bytes"] = report.size_bytes
        paths.append(path)
    return found, paths


def add_latencies(found, files):
    """Adds to each row the median latencies of its two files."""
    rounds = [
        [
            [keras_eff.latency.measure(p).median_ms for p in pair]
            for pair in files
        ]
        for _ in range(FLAGS.rounds)
    ]
    for index, row in enumerate(found):
        pairs = [times[index] for times in rounds]
        for kind, times in zip(
            ("float", "int8"), zip(*pairs, strict=True), strict=True
        ):
            row[f"{kind}_ms"] = statistics.median(times)


def rows_of(net, seed):
    data, _, test = mnist5k()
    keras.utils.set_random_seed(seed)
    trained = train(NETS[net](), data, FLAGS.epochs, 3e-3)

    def whole():
        copy = keras.models.clone_model(trained)
        copy.set_weights(trained.get_weights())
        keras.utils.set_random_seed(seed)
        return copy

    rows, files = [], []
    with tempfile.TemporaryDirectory() as folder:
        for index, (name, model) in enumerate(variants(whole, data)):
            found, paths = figures(
                model, data, test, pathlib.Path(folder), index
            )
            rows.append({"net": net, "seed": seed, "method": name, **found})
            files.append(paths)
        add_latencies(rows, files)
    return rows


def make_rows(path):
    known = {(row["net"], row["seed"]) for row in read(path)}
    for net in NETS:
        for seed in map(int, FLAGS.seeds):
            if (net, seed) not in known:
                for row in rows_of(net, seed):
                    append(path, row)
                keras.backend.clear_session()


def print_table(rows):
    print(
        "| network | seeds | parameters | float accuracy | int8 accuracy | "
        "bytes, float / int8 | ms, float / int8 | ms, share of the original's |"
        "\n" + "|---" * 8 + "|"
    )
    for net, method in dict.fromkeys((r["net"], r["method"]) for r in rows):
        own = [r for r in rows if (r["net"], r["method"]) == (net, method)]
        first = {
            r["seed"]: r
            for r in rows
            if (r["net"], r["method"]) == (net, "as trained")
        }

        def mean(key, own=own):
            return statistics.mean(row[key] for row in own)

        def range_of(key, own=own):
            values = [row[key] for row in own]
            return f"{mean(key):.3f} ({min(values):.3f}-{max(values):.3f})"

        def share(key, own=own, first=first):
            shares = [row[key] / first[row["seed"]][key] for row in own]
            return f"{statistics.mean(shares):.2f}"

        print(
            f"| {net}, {method} | {len(own)} | {mean('num_parameters'):,.0f} | "
            f"{range_of('float_accuracy')} | {range_of('int8_accuracy')} | "
            f"{mean('float_bytes'):,.0f} / {mean('int8_bytes'):,.0f} | "
            f"{mean('float_ms'):.4f} / {mean('int8_ms'):.4f} | "
            f"{share('float_ms')} / {share('int8_ms')} |"
        )


def main(_):
    path = pathlib.Path(FLAGS.rows)
    make_rows(path)
    print_table(read(path))


if __name__ == "__main__":
    app.run(main)
