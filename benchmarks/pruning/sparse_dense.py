"""A Dense layer pruned in blocks of 4x1, in float: its file against the dense.

Latencies are medians over rounds in which the files take turns.
"""

import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags

import keras_eff

FLAGS = flags.FLAGS
flags.DEFINE_list("sparsities", "0.8,0.9,0.95", "Shares of zeros.")
flags.DEFINE_list("widths", "1024,2048,4096", "Inputs and outputs.")
flags.DEFINE_integer("rounds", 7, "Rounds of latency measurements.")


def print_rows(width, folder):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((width,))
    dense = keras.Model(inputs, keras.layers.Dense(width)(inputs))
    samples = np.random.default_rng(0).standard_normal((16, width))
    samples = samples.astype("float32")
    files = {"float": (dense, {}), "int8": (dense, {"quantize": "int8"})}
    for sparsity in FLAGS.sparsities:
        model = keras_eff.prune(
            dense, float(sparsity), block_shape=(4, 1), skip=()
        )
        files[f"float, {sparsity} zeros"] = (model, {"sparse": True})
    reports = [
        keras_eff.export.to_tflite(
            model, folder / f"{name}.tflite", samples=samples, **options
        )
        for name, (model, options) in files.items()
    ]
    times = [
        [keras_eff.latency.measure(r.path).median_ms for r in reports]
        for _ in range(FLAGS.rounds)
    ]
    medians = np.median(times, axis=0)
    for name, report, ms in zip(files, reports, medians, strict=True):
        print(
            f"| {width} | {name} | {report.size_bytes:,} | "
            f"{report.gzip_bytes:,} | {report.max_abs_error:.2g} | {ms:.4f} | "
            f"{medians[0] / ms:.2f} |",
            flush=True,
        )


def main(_):
    print(
        "| width | file | bytes | gzip | largest difference from Keras | ms | "
        "times faster |\n|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for width in map(int, FLAGS.widths):
            print_rows(width, pathlib.Path(folder))


if __name__ == "__main__":
    app.run(main)
