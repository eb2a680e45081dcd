"""keras.applications without some of their channels.

Random weights and random statistics of the normalizations, so that the outputs
vary with the images; random channels go, of each group the same share. "Largest
difference" is that of the smaller model from the original with these channels
set to zero, over the largest output; "of other channels" is the same for an
original in which as many other channels are zero: what it would be if the
wrong ones had gone. Latencies are medians over rounds in which the files take
turns.

    python -m benchmarks.channels.channels_zoo
    python -m benchmarks.channels.channels_zoo --floatx=float64 --rounds=0
    python -m benchmarks.channels.channels_zoo --models=MobileNetV2 --int8
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
flags.DEFINE_list(
    "models",
    "MobileNet,MobileNetV2,MobileNetV3Small,MobileNetV3Large,EfficientNetB0,"
    "EfficientNetV2B0,ResNet50,ResNet50V2,DenseNet121,NASNetMobile,Xception,"
    "InceptionV3,VGG16,ConvNeXtTiny",
    "Names in keras.applications.",
)
flags.DEFINE_float("sparsity", 0.3, "Share of the channels that goes.")
flags.DEFINE_integer("size", 96, "Height and width of the images, in pixels.")
flags.DEFINE_integer("rounds", 5, "Rounds of latency measurements; 0 for none.")
flags.DEFINE_bool("int8", False, "Whether to make int8 files too.")
flags.DEFINE_enum("floatx", "float32", ["float32", "float64"], "Of Keras.")

_IMAGES = 8


def randomized(name, images):
    """A model whose normalizations are near, not at, what they normalize."""
    model = getattr(keras.applications, name)(
        weights=None,
        input_shape=images.shape[1:],
        classes=10,
        classifier_activation=None,
    )
    random = np.random.default_rng(0)
    norms = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(images, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        size = norm.moving_mean.shape
        deviation = np.sqrt(norm.moving_variance)
        norm.moving_mean.assign_add(0.2 * deviation * random.normal(size=size))
        norm.moving_variance.assign(
            norm.moving_variance * random.uniform(0.6, 1.5, size)
        )
        norm.beta.assign(0.3 * random.normal(size=size))
        if norm.gamma is not None:
            norm.gamma.assign(random.uniform(0.5, 1.5, size))
    # As they begin, ConvNeXt's blocks add a millionth to what they get.
    for weight in model.trainable_weights:
        if "layer_scale" in weight.path:
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
    return model


def random_plan(model, seed):
    random = np.random.default_rng(seed)
    return keras_eff.plan_channels(
        model,
        FLAGS.sparsity,
        saliency=lambda group: random.random(len(group.roots)),
    )


def masked_outputs(plan, images):
    with plan.masked() as model:
        return keras.ops.convert_to_numpy(model(images))


def latencies(paths):
    """Median latency of each file, in ms, measured in turns."""
    times = [
        [keras_eff.latency.measure(p).median_ms for p in paths]
        for _ in range(FLAGS.rounds)
    ]
    return np.median(times, axis=0)


def exported(models, images, folder):
    """Pairs of paths, the original and the smaller; float, then int8."""
    pairs = []
    for kind in ("float", "int8") if FLAGS.int8 else ("float",):
        paths = [folder / f"{kind}_{i}.tflite" for i in range(2)]
        for path, model in zip(paths, models, strict=True):
            quantize = None if kind == "float" else kind
            keras_eff.export.to_tflite(
                # Agreement of untrained networks says nothing.
                model,
                path,
                quantize,
                images,
                tolerance=np.inf,
                min_agreement=0.0,
            )
        pairs.append(paths)
    return pairs


def row(name, folder):
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(1)
    shape = (_IMAGES, FLAGS.size, FLAGS.size, 3)
    images = random.uniform(0.0, 255.0, shape).astype(FLAGS.floatx)
    model = randomized(name, images)
    plan = random_plan(model, 0)
    smaller = plan.remove()
    expected = masked_outputs(plan, images)
    outputs = keras.ops.convert_to_numpy(smaller(images))
    others = masked_outputs(random_plan(model, 1), images)
    largest = np.abs(expected).max()
    whole = keras_eff.plan_channels(model, 0.0)
    cells = [
        name,
        f"{np.abs(outputs - expected).max() / largest:.1e}",
        f"{np.abs(outputs - others).max() / largest:.1e}",
        f"{expected.std(0).max() / largest:.1e}",
        f"{smaller.count_params() / model.count_params():.3f}",
        f"{plan.num_macs / whole.num_macs:.3f}",
    ]
    if FLAGS.rounds:
        for pair in exported((model, smaller), images, folder):
            before, after = latencies(pair)
            cells += [f"{before:.2f} / {after:.2f}", f"{after / before:.3f}"]
    return "| " + " | ".join(cells) + " |"


def main(_):
    keras.config.set_floatx(FLAGS.floatx)
    columns = [
        *("model", "largest difference", "of other channels"),
        *("spread over images", "parameters", "MACs"),
    ]
    if FLAGS.rounds:
        for kind in ("float", "int8") if FLAGS.int8 else ("float",):
            columns += [f"{kind} ms, before / after", "ratio"]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for name in FLAGS.models:
        with tempfile.TemporaryDirectory() as folder:
            print(row(name, pathlib.Path(folder)), flush=True)
        keras.backend.clear_session()


if __name__ == "__main__":
    app.run(main)
