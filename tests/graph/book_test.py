import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_eff.graph.book import activation_kind
from keras_eff.graph.book import bounds_of
from keras_eff.graph.book import is_kernel
from keras_eff.graph.book import kernels_of
from keras_eff.graph.book import kind_of
from keras_eff.graph.book import unknown_class
from keras_eff.graph.book import unwrapped
from keras_eff.graph.book import weights_of
from keras_eff.graph.walk import producer
from keras_eff.layers import FakeQuant
from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant
from keras_eff.layers.keep_float import KeepFloat
from keras_eff.quantization.rules import FIXED_RANGES


class MyDense(layers.Dense):
    """A layer that Keras does not know, with the call of one it does."""


class OtherDense(layers.Dense):
    """A layer that computes something else."""

    def call(self, inputs, training=None):
        return super().call(inputs) + 1


def tensor(*shape):
    return keras.Input(shape)


def symbolic(function, *shape):
    """The operation behind a bare call."""
    outputs = function(tensor(*shape))
    first = outputs[0] if isinstance(outputs, (list, tuple)) else outputs
    return producer(first)


BARE = [
    ("same_scale", lambda x: x[:, 1:]),
    ("same_scale", lambda x: ops.amax(x, axis=-1)),
    ("same_scale", lambda x: ops.expand_dims(x, 1)),
    ("same_scale", lambda x: ops.max(x, axis=-1)),
    ("same_scale", lambda x: ops.moveaxis(x, 1, 2)),
    ("same_scale", lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 0)))),
    ("reshape", lambda x: ops.reshape(x, (-1, 8))),
    ("split", lambda x: ops.split(x, 2, axis=1)),
    ("same_scale", lambda x: ops.squeeze(x[:, :1], 1)),
    ("same_scale", lambda x: ops.swapaxes(x, 1, 2)),
    ("same_scale", lambda x: ops.transpose(x, (0, 2, 1))),
    ("same_scale", lambda x: ops.max_pool(x, 2)),
    ("concatenate", lambda x: ops.concatenate([x, x])),
    ("tied", lambda x: ops.maximum(x, x)),
    ("tied", lambda x: ops.minimum(x, x)),
    ("tied", lambda x: ops.stack([x, x])),
    ("add", lambda x: x + 3),
    ("subtract", lambda x: 3 - x),
    ("multiply", lambda x: x * x),
    ("divide", lambda x: x / 2),
    ("divide", lambda x: ops.divide(x, x)),
    ("negative", lambda x: -x),
    ("square", ops.square),
    ("average_pool", lambda x: ops.average_pool(x, 2)),
    ("requantized", lambda x: ops.mean(x, axis=1)),
    ("matmul", lambda x: x @ ops.transpose(x, (0, 2, 1))),
    ("relu", ops.relu),
    ("relu", ops.relu6),
    ("abs", ops.abs),
    ("abs", ops.absolute),
    ("gelu", ops.gelu),
    ("hard_sigmoid", ops.hard_sigmoid),
    ("hard_silu", ops.hard_silu),
    ("leaky_relu", ops.leaky_relu),
    ("sigmoid", ops.sigmoid),
    ("silu", ops.silu),
    ("softmax", ops.softmax),
    ("tanh", ops.tanh),
    ("unknown", lambda x: ops.softmax(x, axis=1)),
    ("unknown", lambda x: ops.pad(x, ((0, 0), (1, 1), (0, 0)), "reflect")),
    ("unknown", ops.exp),
    ("clip", lambda x: ops.clip(x, 0, 1)),
    ("clip", lambda x: ops.clip(x, -0.5, 6.0)),
    ("clip", ops.hard_tanh),
    ("unknown", lambda x: ops.clip(x, 0.5, 1)),
    ("unknown", lambda x: ops.clip(x, 0, 0)),
    ("unknown", lambda x: ops.clip(x, np.zeros(2), np.ones(2))),
    ("cast", lambda x: ops.cast(x, "int32")),
    ("of_shape", ops.ones_like),
    ("of_shape", lambda x: ops.full_like(x, 2.0)),
    ("argmax", lambda x: ops.argmax(x, -1)),
    ("argmin", lambda x: ops.argmin(x, 1, keepdims=True)),
    ("same_scale", lambda x: ops.min(x, axis=-1)),
    (
        "same_scale",
        lambda x: ops.depth_to_space(ops.reshape(x, (-1, 1, 2, 4)), 2),
    ),
    ("unknown", ops.elu),
]


@pytest.mark.parametrize("kind, function", BARE)
def test_bare_operations_have_a_kind(kind, function):
    assert kind_of(symbolic(function, 4, 2)) == kind


@pytest.mark.parametrize(
    "kind, layer",
    [
        ("relu", layers.ReLU()),
        ("relu", layers.ReLU(max_value=6.0)),
        ("leaky_relu", layers.ReLU(negative_slope=0.1)),
        ("unknown", layers.ReLU(max_value=6.0, negative_slope=0.1)),
        ("unknown", layers.ReLU(threshold=1.0)),
        ("relu", layers.Activation("relu6")),
        ("silu", layers.Activation("swish")),
        ("linear", layers.Activation("linear")),
        ("unknown", layers.Activation("elu")),
        ("softmax", layers.Softmax()),
        ("unknown", layers.Softmax(axis=1)),
        ("weighted", layers.Dense(2)),
        ("weighted", layers.Conv2D(2, 3)),
        ("unknown", layers.Conv2D(2, 3, data_format="channels_first")),
        ("unknown", layers.Conv3D(2, 3)),
        ("unknown", layers.EinsumDense("ab,bc->ac", 2)),
        ("weighted", MyDense(2)),
        ("unknown", OtherDense(2)),
        ("separable", layers.SeparableConv1D(2, 3)),
        ("attention", layers.MultiHeadAttention(2, 4)),
        ("upsampling", layers.UpSampling1D()),
        ("upsampling", layers.UpSampling2D(interpolation="bilinear")),
        ("unknown", layers.UpSampling2D(interpolation="bicubic")),
        ("same_scale", layers.UpSampling3D()),
        ("same_scale", layers.MaxPooling2D()),
        ("average_pool", layers.AveragePooling2D(2)),
        ("reshape", layers.Reshape((2, 2))),
        ("concatenate", layers.Concatenate()),
        ("affine", layers.Rescaling(2.0)),
        ("affine", layers.Normalization()),
        ("unknown", layers.LayerNormalization()),
        ("unknown", layers.LSTM(2)),
        ("time_distributed", layers.TimeDistributed(layers.Dense(2))),
        ("center_crop", layers.CenterCrop(2, 2)),
        ("clip", layers.Activation("hard_tanh")),
        ("same_scale", layers.Resizing(4, 4)),
        ("unknown", layers.Resizing(4, 4, interpolation="bicubic")),
        ("unknown", layers.Resizing(4, 4, antialias=True)),
        ("unknown", layers.Resizing(4, 4, pad_to_aspect_ratio=True)),
        ("unknown", layers.Lambda(abs)),
        ("fake_quant", FakeQuant()),
        ("keep_float", KeepFloat()),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_layers_have_a_kind(kind, layer):
    assert kind_of(layer) == kind


@pytest.mark.parametrize(
    "axis, kind", [(-1, "batch_norm"), (3, "batch_norm"), (1, "unknown")]
)
def test_batch_normalization_must_be_over_the_last_axis(axis, kind):
    layer = layers.BatchNormalization(axis=axis)
    layer.build((None, 4, 4, 2))
    assert kind_of(layer) == kind


def test_nested_models_are_models_if_their_graph_can_be_walked():
    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    assert kind_of(keras.Sequential([tensor(3), layers.ReLU()])) == "model"
    assert kind_of(Subclassed()) == "unknown"


def test_a_chain_of_transforms_has_the_kind_of_its_layer():
    chain = [WeightFakeQuant()]
    dense = TransformedWeights(layers.Dense(2), chain)
    other = TransformedWeights(OtherDense(2), [WeightFakeQuant()])
    assert (kind_of(dense), kind_of(other)) == ("weighted", "unknown")
    assert unwrapped(dense) is dense.layer
    assert unwrapped(dense.layer) is dense.layer


def test_layers_without_a_float_kernel_are_left_alone():
    quantized = layers.Dense(2)
    quantized.build((None, 3))
    quantized.quantize("int8")
    adapted = layers.Dense(2, lora_rank=1)
    adapted.build((None, 3))
    assert (kind_of(quantized), kind_of(adapted)) == ("unknown", "unknown")


def test_an_activation_is_known_by_its_function():
    def relu(x):
        return -x

    assert activation_kind(keras.activations.relu) == "relu"
    assert activation_kind(keras.activations.relu6) == "relu"
    assert activation_kind(keras.ops.silu) == "silu"
    assert activation_kind(keras.activations.elu) == "unknown"
    assert activation_kind(relu) == "unknown"
    assert activation_kind(layers.ReLU()) == "unknown"
    assert activation_kind(None) == "unknown"


@pytest.mark.parametrize(
    "name", ["gelu", "hard_silu", "leaky_relu", "silu", *FIXED_RANGES]
)
def test_every_activation_is_one_of_keras(name):
    assert activation_kind(getattr(keras.activations, name)) == name


def test_fixed_ranges_hold_the_outputs():
    inputs = np.linspace(-9.0, 9.0, 19, dtype="float32")[None]
    for name, (low, high) in FIXED_RANGES.items():
        outputs = getattr(keras.activations, name)(inputs)
        outputs = ops.convert_to_numpy(outputs)
        assert low - 1 / 128 <= outputs.min() <= outputs.max() <= high + 1 / 128


WEIGHTED = (
    "Dense Conv1D Conv2D DepthwiseConv1D DepthwiseConv2D Conv1DTranspose "
    "Conv2DTranspose Embedding"
)


@pytest.mark.parametrize("name", WEIGHTED.split())
def test_each_channel_axis_is_an_axis_of_the_weight(name):
    arguments = {"Dense": (2,), "Embedding": (5, 2)}
    default = (3,) if name.startswith("Depthwise") else (2, 3)
    layer = getattr(layers, name)(*arguments.get(name, default))
    rank = {"1D": 3, "2D": 4}.get(name.replace("Transpose", "")[-2:], 2)
    layer.build((None, *(6,) * (rank - 2), 4))
    (weight,) = weights_of(layer)
    shape, axes = getattr(layer, weight.name).shape, weight.scales
    assert all(-len(shape) <= axis < 0 for axis in axes)
    expected = {"Embedding": [], "DepthwiseConv1D": [4, 1]}
    expected["DepthwiseConv2D"] = [4, 1]
    assert [shape[axis] for axis in axes] == expected.get(name, [2])


@pytest.mark.parametrize(
    "layer, shape",
    [
        (OtherDense(2), (4,)),
        (layers.Conv3DTranspose(2, 3), (6, 6, 6, 4)),
        (layers.SeparableConv1D(2, 3), (6, 4)),
        (layers.ReversibleEmbedding(5, 2, tie_weights=False), (4,)),
        (layers.EinsumDense("abc,cde->abde", (None, 3, 2)), (6, 4)),
        (layers.GRUCell(2), (4,)),
        (layers.ConvLSTM1D(2, 3).cell, (6, 4)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_all_kernels_of_layers_of_keras_are_known(layer, shape):
    layer.build((None, *shape))
    known = {id(getattr(layer, weight.name)) for weight in kernels_of(layer)}
    assert known == {id(v) for v in layer.weights if is_kernel(v)}


@pytest.mark.parametrize(
    "equation, shape, outputs, inputs",
    [
        ("ab,bc->ac", (2,), (-1,), -2),
        ("abc,cde->abde", (None, 3, 2), (-2, -1), -3),
        ("abde,def->abf", (None, 2), (-1,), -2),
        ("abc,bc->abc", (3, 2), (-2, -1), -1),
    ],
)
def test_the_axes_of_an_einsum_are_those_of_its_equation(
    equation, shape, outputs, inputs
):
    (weight,) = weights_of(layers.EinsumDense(equation, shape))
    assert (weight.outputs, weight.inputs) == (outputs, inputs)


def test_layers_of_a_user_are_known_by_what_they_call():
    name = f"{__name__}.OtherDense"
    assert unknown_class(OtherDense(2)) == name
    wrapped = TransformedWeights(OtherDense(2), [WeightFakeQuant()])
    assert unknown_class(wrapped) == name
    assert unknown_class(MyDense(2)) is None
    assert unknown_class(layers.LayerNormalization()) is None
    assert unknown_class(symbolic(ops.exp, 2)) is None


AUGMENTATIONS = {
    "AugMix": {},
    "RandAugment": {},
    "RandomBrightness": {"factor": 0.2},
    "RandomColorDegeneration": {"factor": 0.2},
    "RandomColorJitter": {},
    "RandomContrast": {"factor": 0.2},
    "RandomElasticTransform": {},
    "RandomErasing": {},
    "RandomFlip": {},
    "RandomGaussianBlur": {},
    "RandomGrayscale": {},
    "RandomHue": {"factor": 0.2},
    "RandomInvert": {},
    "RandomPerspective": {},
    "RandomPosterization": {"factor": 4},
    "RandomRotation": {"factor": 0.2},
    "RandomSaturation": {"factor": 0.2},
    "RandomSharpness": {"factor": 0.2},
    "RandomShear": {"x_factor": 0.2},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
    "RandomZoom": {"height_factor": 0.2},
}


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_does_nothing_at_inference(name):
    layer = getattr(layers, name)(**AUGMENTATIONS[name])
    images = np.random.default_rng(0).uniform(0, 255, (2, 6, 6, 3))
    images = images.astype("float32")
    assert kind_of(layer) == "linear"
    outputs = ops.convert_to_numpy(layer(images, training=False))
    np.testing.assert_array_equal(outputs, images)


@pytest.mark.parametrize(
    "bounds, layer",
    [
        ((0.0, float("inf")), layers.ReLU()),
        ((0.0, 4.0), layers.ReLU(4.0)),
        ((0.0, 6.0), layers.Activation("relu6")),
        ((0.0, float("inf")), layers.Activation("relu")),
        ((-1.0, 1.0), layers.Activation("hard_tanh")),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_layers_that_clip_have_bounds(bounds, layer):
    assert bounds_of(layer) == bounds


@pytest.mark.parametrize(
    "kind, path", [("separable", "pointwise_kernel"), ("unknown", "bias")]
)
def test_a_layer_stays_whole_whose_steps_its_parts_would_lose(kind, path):
    separable = layers.SeparableConv2D(2, 3)
    step = WeightFakeQuant(weight_name=path)
    assert kind_of(TransformedWeights(separable, [step])) == kind
