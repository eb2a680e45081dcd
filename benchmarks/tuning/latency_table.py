"""How well `LatencyTable` predicts whole models from their blocks.

A family of three stages on images of 64x64: blocks of standard and of
separable convolutions, a stem and a head, each measured by itself, and random
models made of them. Beside the errors, how far two measurements of the same
models are from each other: no prediction can be expected to do better.

    python -m benchmarks.tuning.latency_table
"""

import itertools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
import numpy as np
import scipy.stats
from absl import app
from absl import flags

from keras_eff.tuning import LatencyTable
from keras_eff.tuning import measure_trial
from keras_eff.tuning import spaces

FLAGS = flags.FLAGS
flags.DEFINE_integer("models", 16, "Whole models.", 3)
flags.DEFINE_integer("num_runs", 200, "Runs of a measurement.", 1)

_KINDS = ("convolution", "separable")
# Before the first stage, and after each.
_CHANNELS = (16, 32, 64, 128)
_EDGES = (32, 16, 8, 4)


def convolution(kind, filters, strides, name):
    """A layer of the search space, its choices made."""
    hp = keras_tuner.HyperParameters()
    hp.Fixed(f"{name}_kind", kind)
    hp.Fixed(f"{name}_kernel_size", 3 if kind == "convolution" else 5)
    return spaces.convolution(hp, name, filters, strides)


def add_block(block, x, name):
    """Applies a block: "stem", "head", or (stage, kind, strides)."""
    if block == "stem":
        return convolution("convolution", _CHANNELS[0], 2, name)(x)
    if block == "head":
        x = keras.layers.GlobalAveragePooling2D()(x)
        return keras.layers.Dense(10)(x)
    stage, kind, strides = block
    return convolution(kind, _CHANNELS[stage], strides, name)(x)


def input_shape(block):
    if block == "stem":
        return (64, 64, 3)
    stage = 4 if block == "head" else block[0] + (block[2] == 1)
    return (_EDGES[stage - 1], _EDGES[stage - 1], _CHANNELS[stage - 1])


def model(blocks):
    inputs = x = keras.Input(input_shape(blocks[0]))
    for i, block in enumerate(blocks):
        x = add_block(block, x, f"block_{i}")
    return keras.Model(inputs, x)


def all_blocks():
    return ["stem", "head", *itertools.product((1, 2, 3), _KINDS, (1, 2))]


def random_blocks(random):
    """Each stage halves the edge, then has up to two blocks more."""
    blocks = ["stem"]
    for stage in (1, 2, 3):
        for strides in (2, *(1,) * random.integers(3)):
            blocks.append((stage, str(random.choice(_KINDS)), strides))
    return [*blocks, "head"]


def row(quantize, families):
    options = {"quantize": quantize, "num_runs": FLAGS.num_runs}
    blocks = {str(block): model([block]) for block in all_blocks()}
    table = LatencyTable.measure(blocks, **options)
    # Another number of runs is another measurement to the cache.
    first, again = (
        np.array(
            [
                measure_trial(
                    model(family), quantize=quantize, num_runs=num_runs
                )["latency_ms"]
                for family in families
            ]
        )
        for num_runs in (FLAGS.num_runs, FLAGS.num_runs + 1)
    )
    names = [[str(block) for block in family] for family in families]
    fitted = table.fit(list(zip(names, first, strict=True)))
    sums = np.array([table.predict(each) for each in names])
    return (
        quantize or "float32",
        len(blocks),
        len(families),
        f"{first.min():.4f}-{first.max():.4f}",
        f"{np.mean(abs(sums - first) / first):.3f}",
        f"{np.mean((sums - first) / first):+.3f}",
        f"{fitted.scale:.3f} * sum + {fitted.offset_ms:.4f}",
        f"{fitted.error:.3f}",
        f"{np.mean(abs(again - first) / first):.3f}",
        f"{scipy.stats.spearmanr(sums, first).statistic:.3f}",
        f"{scipy.stats.kendalltau(sums, first).statistic:.3f}",
    )


def main(_):
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    families = [random_blocks(random) for _ in range(FLAGS.models)]
    columns = (
        *("format", "blocks", "models", "latency of the models, ms"),
        *("mean error of the sum", "the same, signed", "correction"),
        *("mean error, fitted on the others", "measured again"),
        *("Spearman", "Kendall"),
    )
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    for quantize in (None, "int8"):
        cells = row(quantize, families)
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    app.run(main)
