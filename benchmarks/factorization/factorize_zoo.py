"""keras.applications with kernels of low rank, in factors.

Random weights; each kernel of a dense layer or an ungrouped convolution that
two layers can replace is made one of half the rank at which that begins to pay,
so that the factors compute what the model does. "Largest difference" is over
the largest output; "one rank less" is the same for a model whose layers have a
rank less each: what it would be if a factor had gone. Latencies are medians
over rounds in which the float files take turns.

    python -m benchmarks.factorization.factorize_zoo
    python -m benchmarks.factorization.factorize_zoo --floatx=float64 --rounds=0
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

import keras_eff

FLAGS = flags.FLAGS
flags.DEFINE_list(
    "models", "MobileNetV2,ResNet50", "Names in keras.applications."
)
flags.DEFINE_integer("size", 64, "Height and width of the images, in pixels.")
flags.DEFINE_integer("rounds", 5, "Rounds of latency measurements; 0 for none.")
flags.DEFINE_enum("floatx", "float32", ["float32", "float64"], "Of Keras.")

_IMAGES = 8
_LAYERS = (keras.layers.Conv2D, keras.layers.Dense)


def built(name):
    return getattr(keras.applications, name)(
        weights=None,
        input_shape=(FLAGS.size, FLAGS.size, 3),
        classes=10,
        classifier_activation=None,
    )


def lower_ranks(model):
    """Gives kernels half the rank up to which factors are smaller."""
    random = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer) not in _LAYERS:
            continue
        *window, size = layer.kernel.shape
        inputs = int(np.prod(window))
        rank = inputs * size // (inputs + size) // 2
        if rank < 2:
            continue
        # Of a variance that keeps the size of the activations.
        scale = (2 / inputs / rank) ** 0.5
        left = random.normal(size=(inputs, rank)) * scale
        right = random.normal(size=(rank, size))
        layer.kernel.assign((left @ right).reshape(layer.kernel.shape))


def latencies(models, images, folder):
    paths = [folder / f"{index}.tflite" for index in range(len(models))]
    for path, model in zip(paths, models, strict=True):
        # Outputs of untrained networks are small against their activations.
        keras_eff.export.to_tflite(
            model,
            path,
            samples=images,
            tolerance=np.inf,
            min_agreement=0.0,
        )
    times = [
        [keras_eff.latency.measure(p).median_ms for p in paths]
        for _ in range(FLAGS.rounds)
    ]
    return np.median(times, axis=0)


def row(name, folder):
    keras.utils.set_random_seed(0)
    shape = (_IMAGES, FLAGS.size, FLAGS.size, 3)
    images = np.random.default_rng(1).uniform(-1.0, 1.0, shape)
    images = images.astype(FLAGS.floatx)
    model = built(name)
    lower_ranks(model)
    start = time.perf_counter()
    plan = keras_eff.plan_factors(model, energy=1.0)
    smaller = plan.factorize()
    seconds = time.perf_counter() - start
    split = [row for row in plan.layers if row.rank]
    less = keras_eff.factorize(
        model, {row.layer.name: max(row.rank - 1, 1) for row in split}
    )
    expected, outputs, others = (
        keras.ops.convert_to_numpy(m(images)) for m in (model, smaller, less)
    )
    largest = np.abs(expected).max()
    cells = [
        name,
        f"{len(split)} of {len(plan.layers)}",
        f"{np.abs(outputs - expected).max() / largest:.1e}",
        f"{np.abs(others - expected).max() / largest:.1e}",
        f"{smaller.count_params() / model.count_params():.3f}",
        f"{seconds:.1f}",
    ]
    if FLAGS.rounds:
        before, after = latencies((model, smaller), images, folder)
        cells += [f"{before:.2f} / {after:.2f}", f"{after / before:.3f}"]
    return "| " + " | ".join(cells) + " |"


def main(_):
    keras.config.set_floatx(FLAGS.floatx)
    columns = [
        *("model", "layers in factors", "largest difference", "one rank less"),
        *("parameters", "seconds to factorize"),
    ]
    if FLAGS.rounds:
        columns += ["float ms, before / after", "ratio"]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for name in FLAGS.models:
        with tempfile.TemporaryDirectory() as folder:
            print(row(name, pathlib.Path(folder)), flush=True)
        keras.backend.clear_session()


if __name__ == "__main__":
    app.run(main)
