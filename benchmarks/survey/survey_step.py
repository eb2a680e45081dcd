"""A train step of the survey's networks, before and after.

TensorFlow leaves oneDNN off by itself on some CPUs, and computes a batch
normalization in many passes over its input. Each way runs in a process of its
own, as oneDNN is chosen at its start. Processor time tells what a step takes
where other work runs beside it.
"""

import os
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app
from absl import flags

FLAGS = flags.FLAGS
flags.DEFINE_float("width", 0.25, "Multiplier of the network.")
flags.DEFINE_integer("batch_size", 128, "Images in a step.")
flags.DEFINE_integer("steps", 15, "Steps to time, after three others.")
flags.DEFINE_enum("way", None, ("plain", "fused"), "Of this process alone.")

_NAME = "benchmarks.survey.survey_step"
_WAYS = (("0", "plain"), ("1", "plain"), ("1", "fused"))


def time_steps():
    """Prints the medians of wall and processor time, in microseconds."""
    import keras
    import numpy as np
    import tensorflow as tf

    from examples.support.survey.fused_normalization import (
        with_fused_normalization,
    )
    from examples.support.survey.survey_family import build

    model = build(FLAGS.width)
    if FLAGS.way == "fused":
        model = with_fused_normalization(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=False)
    count = FLAGS.batch_size
    generator = np.random.default_rng(0)
    images = generator.uniform(0, 255, (count, 32, 32, 3)).astype("float32")
    batch = (images, generator.integers(0, 10, count))
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    model.make_train_function()
    times = []
    for _ in range(3 + FLAGS.steps):
        starts = time.perf_counter(), time.process_time()
        model.train_function(batches)
        ends = time.perf_counter(), time.process_time()
        times.append(np.subtract(ends, starts))
    wall, processor = 1e6 * np.median(times[3:], axis=0) / count
    print(f"{wall:.0f} | {processor:.0f}")


def main(_):
    if FLAGS.way:
        time_steps()
        return
    print("| oneDNN | normalization | wall, us an image | processor |")
    print("|---|---|---|---|")
    for onednn, way in _WAYS:
        environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": onednn}
        finished = subprocess.run(
            [sys.executable, "-m", _NAME, *sys.argv[1:], f"--way={way}"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
        print(f"| {onednn} | {way} | {finished.stdout.strip()} |", flush=True)


if __name__ == "__main__":
    app.run(main)
