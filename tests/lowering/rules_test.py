"""Each rewrite computes the same function, in one piece of the delegate."""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_eff


def conv(filters=4, kernel_size=1):
    return layers.Conv2D(filters, kernel_size, padding="same")


def pre_activation(x):
    x = layers.MaxPooling2D(1)(conv()(x))
    return conv()(layers.ReLU()(layers.BatchNormalization()(x)))


def shared_relu(x):
    x = conv()(x)
    return conv()(x + layers.ReLU()(x))


def seven_branches(x):
    return conv()(layers.Concatenate()([conv()(x) for _ in range(7)]))


def chain(*steps):
    def call(x):
        for step in (conv(), *steps, conv()):
            x = step(x)
        return x

    return call


# Builder, an operator that must be in the file, and one that must not.
CASES = {
    "batch_norm": (pre_activation, "DEPTHWISE_CONV_2D", "RELU"),
    "shared_relu": (shared_relu, "LEAKY_RELU", "RELU"),
    "relu_of_another_peak": (chain(layers.ReLU(0.4)), "CONV_2D", "MINIMUM"),
    "hard_swish": (
        chain(layers.Activation("hard_swish")),
        "MUL",
        "HARD_SWISH",
    ),
    "hard_sigmoid": (
        chain(layers.Activation("hard_sigmoid")),
        "MUL",
        "DEQUANTIZE",
    ),
    "average": (
        chain(layers.AveragePooling2D(2)),
        "DEPTHWISE_CONV_2D",
        "AVERAGE_POOL_2D",
    ),
    "padded_average": (
        chain(layers.AveragePooling2D(3, 1, padding="same")),
        "MUL",
        "AVERAGE_POOL_2D",
    ),
    "nearest": (chain(layers.UpSampling2D((2, 3))), "CONCATENATION", "TILE"),
    "prelu": (chain(layers.PReLU()), "LEAKY_RELU", "PRELU"),
    "prelu_per_channel": (
        chain(layers.PReLU(shared_axes=[1, 2])),
        "LEAKY_RELU",
        "PRELU",
    ),
    "abs": (chain(ops.abs), "LEAKY_RELU", "ABS"),
    "rescaling": (
        chain(layers.Rescaling(0.5, 1.0)),
        "DEPTHWISE_CONV_2D",
        "MUL",
    ),
    "scaling": (chain(layers.Rescaling(0.5)), "CONV_2D", "MUL"),
    "normalization": (
        chain(
            layers.Normalization(
                mean=[0.1, 0.2, 0.3, 0.4], variance=[1.0, 2.0, 3.0, 4.0]
            )
        ),
        "DEPTHWISE_CONV_2D",
        "MUL",
    ),
    "seven_branches": (seven_branches, "CONCATENATION", "QUANTIZE"),
    "transposed": (
        chain(layers.Conv2DTranspose(4, 3, 2, activation="relu")),
        "TRANSPOSE_CONV",
        "RELU",
    ),
    "swish": (chain(layers.Activation("swish")), "LOGISTIC", "DEQUANTIZE"),
    "separable": (
        chain(layers.SeparableConv2D(6, 3, activation="tanh")),
        "TANH",
        "DEQUANTIZE",
    ),
}


def build(name):
    """A quantized model around one operation, with weights that matter."""
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, CASES[name][0](inputs))
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization | layers.PReLU):
            for variable in layer.variables:
                variable.assign(generator.uniform(0.2, 1.5, variable.shape))
    samples = generator.standard_normal((32, 8, 8, 3)).astype("float32")
    return keras_eff.calibrate(keras_eff.quantize(model), samples), samples


@pytest.mark.parametrize("name", CASES)
def test_the_same_function_in_one_piece(name, tmp_path):
    model, samples = build(name)
    report = keras_eff.export.to_tflite(
        model, tmp_path / "m.tflite", samples=samples
    )
    _, present, absent = CASES[name]
    assert present in report.ops
    assert absent not in report.ops
    assert report.float_tensors == ()
    assert report.delegate_partitions == 1
    assert report.mean_lsb < 0.5
    scale = keras_eff.export.inspect(report.path).outputs[0].scale
    # A tie that a CPU rounds the other way, in each of a few layers.
    assert report.max_abs_error <= 6.01 * scale


def test_padded_average_is_exact_at_the_border(tmp_path):
    pooling = layers.AveragePooling2D(3, 2, padding="same")
    model = keras.Sequential([keras.Input((7, 5, 2)), pooling])
    samples = np.full((4, 7, 5, 2), 2.0, "float32")
    samples[0] = -1.0
    quantized = keras_eff.calibrate(keras_eff.quantize(model), samples)
    report = keras_eff.export.to_tflite(
        quantized, tmp_path / "m.tflite", samples=samples
    )
    scale = keras_eff.export.inspect(report.path).outputs[0].scale
    assert report.max_abs_error <= 1.01 * scale


@pytest.mark.parametrize(
    "steps",
    [
        (layers.Conv1D(4, 3), layers.BatchNormalization(), layers.ReLU()),
        (layers.ReLU(), layers.BatchNormalization(), layers.Dense(3)),
        (layers.AveragePooling1D(2), layers.UpSampling1D(3)),
    ],
)
def test_sequences_stay_in_integers(steps, tmp_path):
    model = keras.Sequential([keras.Input((12, 4)), *steps])
    samples = np.random.default_rng(0).standard_normal((16, 12, 4))
    report = keras_eff.export.to_tflite(
        model, tmp_path / "m.tflite", "int8", samples.astype("float32")
    )
    assert report.float_tensors == ()
    assert report.delegate_partitions == 1


def test_dense_features_through_a_batch_norm_of_their_own(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu"),
            layers.BatchNormalization(),
            layers.Dense(3),
        ]
    )
    samples = np.random.default_rng(0).standard_normal((16, 6))
    report = keras_eff.export.to_tflite(
        model, tmp_path / "m.tflite", "int8", samples.astype("float32")
    )
    assert report.float_tensors == ()
    assert report.mean_lsb < 0.5


@pytest.mark.parametrize("name", ["relu6", "peak"])
def test_a_peak_below_the_range_behind_it_is_kept(name, tmp_path):
    relu = layers.Activation("relu6") if name == "relu6" else layers.ReLU(6.0)
    x = keras.Input((4,))
    outputs = keras_eff.layers.FakeQuant(fixed_range=(-10.0, 10.0))(x)
    outputs = relu(layers.Dense(4, kernel_initializer="identity")(outputs))
    outputs = keras_eff.layers.FakeQuant(fixed_range=(0.0, 10.0))(outputs)
    samples = np.linspace(-9, 9, 128, dtype="float32").reshape(32, 4)
    report = keras_eff.export.to_tflite(
        keras.Model(x, outputs), tmp_path / "m.tflite", samples=samples
    )
    assert report.max_abs_error < 0.05


def test_equal_biases_have_the_scale_of_each_channel(tmp_path):
    generator = np.random.default_rng(0)
    dense = layers.Dense(3, bias_initializer="ones")
    model = keras.Sequential([keras.Input((4,)), dense])
    dense.kernel.assign(generator.uniform(-1, 1, (4, 3)) * [1.0, 0.2, 3.0])
    samples = generator.uniform(-1, 1, (32, 4)).astype("float32")
    path = tmp_path / "m.tflite"
    report = keras_eff.export.to_tflite(model, path, "int8", samples)
    assert report.max_abs_error < 0.05
