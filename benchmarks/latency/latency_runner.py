"""What `keras_eff.latency.measure` says, beside a loop anyone would write.

The loop runs a file in LiteRT in this process; the runner in its own. They
take turns, and each median is over the runs of one turn.
"""

import os
import pathlib
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags
from ai_edge_litert.interpreter import Interpreter

import keras_eff

flags.DEFINE_integer("rounds", 15, "Turns of each.")
flags.DEFINE_integer("num_runs", 200, "Runs in a turn.")
FLAGS = flags.FLAGS

_WARMUP_S = 0.25


def loop_ms(path):
    """Median time of a run in an Interpreter of this process."""
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        value = np.zeros(detail["shape"], detail["dtype"])
        interpreter.set_tensor(detail["index"], value)
    end = time.perf_counter() + _WARMUP_S
    while time.perf_counter() < end:
        interpreter.invoke()
    times = []
    for _ in range(FLAGS.num_runs):
        start = time.perf_counter()
        interpreter.invoke()
        times.append(time.perf_counter() - start)
    return 1e3 * np.median(times)


def runner_ms(path):
    return keras_eff.latency.measure(path, num_runs=FLAGS.num_runs).median_ms


def files(folder):
    """Paths of files that take from some microseconds to some milliseconds."""
    keras.utils.set_random_seed(0)
    nets = {
        "dense": keras.Sequential(
            [keras.Input((1024,)), keras.layers.Dense(1024)]
        ),
        "MobileNetV2-0.35@96": keras.applications.MobileNetV2(
            (96, 96, 3), alpha=0.35, weights=None, classes=10
        ),
        "MobileNetV2-1.0@224": keras.applications.MobileNetV2(
            weights=None, classes=10
        ),
    }
    for name, model in nets.items():
        shape = (8, *model.input_shape[1:])
        samples = np.random.default_rng(0).uniform(-1, 1, shape)
        for quantize in (None, "int8"):
            path = str(folder / "file.tflite")
            keras_eff.export.to_tflite(
                model,
                path,
                quantize,
                samples.astype("float32"),
                tolerance=1,
                min_agreement=0.0,
            )
            yield f"{name} {quantize or 'float32'}", path


def main(_):
    print("| file | loop, ms | runner, ms | ratio |")
    print("|---" * 4 + "|")
    with tempfile.TemporaryDirectory() as folder:
        for name, path in files(pathlib.Path(folder)):
            turns = [
                (loop_ms(path), runner_ms(path)) for _ in range(FLAGS.rounds)
            ]
            loop, runner = np.median(turns, axis=0)
            print(
                f"| {name} | {loop:.4f} | {runner:.4f} | {runner / loop:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    app.run(main)
