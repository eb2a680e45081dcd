"""What an integer file can do with each operation of a Keras model."""

import math
import numbers

import keras

from keras_eff import layers
from keras_eff.layers import FakeQuant
from keras_eff.layers import KeepFloat
from keras_eff.layers import TransformedWeights
from keras_eff.transforms.graph import is_graph

# Layers with a weight: its name, and the axes that keep a scale each.
WEIGHTS = {
    "Dense": ("kernel", (-1,)),
    "Conv1D": ("kernel", (-1,)),
    "Conv2D": ("kernel", (-1,)),
    "DepthwiseConv1D": ("kernel", (-2, -1)),
    "DepthwiseConv2D": ("kernel", (-2, -1)),
    "Conv1DTranspose": ("kernel", (-2,)),
    "Conv2DTranspose": ("kernel", (-2,)),
    "Embedding": ("embeddings", ()),
}

# Ranges that TFLite gives the outputs of these functions, whatever the data.
FIXED_RANGES = {
    "softmax": (0.0, 255 / 256),
    "sigmoid": (0.0, 255 / 256),
    "hard_sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 127 / 128),
}

# Functions that an int8 kernel computes, each with a range on both sides.
ACTIVATIONS = frozenset(FIXED_RANGES) | {
    "abs",
    "gelu",
    "hard_silu",
    "leaky_relu",
    "prelu",
    "silu",
}

# Kinds that stay float behind an operation that does.
FOLLOWING = ("batch_norm", "clip", "linear", "relu", "same_scale")

# Kinds whose rules see to the transforms of a weight.
_WITH_WEIGHTS = ("attention", "separable", "weighted")

# Layers of ours that are neither weights nor fake-quants.
_OURS = {
    layers.DepthwiseSeparable: "composed",
    layers.LinearRecurrence: "recurrence",
    layers.LocalAttentionPooling: "local_attention",
    layers.LocalProjectedAttention: "composed",
    layers.ProjectionLayer: "from_integers",
    layers.QRNN: "composed",
    layers.SetMask: "linear",
    layers.Zoneout: "linear",
}

_ALIASES = {"hard_tanh": "clip", "relu6": "relu", "swish": "silu"}

_LAYERS = {
    "linear": (
        "ActivityRegularization AlphaDropout AugMix Dropout GaussianDropout "
        "GaussianNoise Identity RandAugment RandomBrightness "
        "RandomColorDegeneration RandomColorJitter RandomContrast "
        "RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur "
        "RandomGrayscale RandomHue RandomInvert RandomPerspective "
        "RandomPosterization RandomRotation RandomSaturation RandomSharpness "
        "RandomShear RandomTranslation RandomZoom SpatialDropout1D "
        "SpatialDropout2D SpatialDropout3D"
    ),
    "same_scale": (
        "Cropping1D Cropping2D Cropping3D Flatten GlobalMaxPooling1D "
        "GlobalMaxPooling2D GlobalMaxPooling3D MaxPooling1D MaxPooling2D "
        "Permute RepeatVector Reshape Resizing UpSampling1D UpSampling2D "
        "UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D"
    ),
    "tied": "Concatenate Maximum Minimum",
    "add": "Add",
    "subtract": "Subtract",
    "multiply": "Multiply",
    "average": "Average",
    "requantized": (
        "AveragePooling1D AveragePooling2D GlobalAveragePooling1D "
        "GlobalAveragePooling2D GlobalAveragePooling3D Normalization Rescaling"
    ),
    "batch_norm": "BatchNormalization",
    "separable": "SeparableConv1D SeparableConv2D",
    "attention": "MultiHeadAttention",
    "center_crop": "CenterCrop",
    "time_distributed": "TimeDistributed",
    "leaky_relu": "LeakyReLU",
    "prelu": "PReLU",
    "softmax": "Softmax",
    "weighted": " ".join(WEIGHTS),
}

_OPERATIONS = {
    "same_scale": (
        "Amax Amin Copy DepthToSpace ExpandDims GetItem Max MaxPool Min "
        "Moveaxis Pad Ravel Reshape Resize SpaceToDepth Split Squeeze Swapaxes "
        "Transpose"
    ),
    "tied": "Concatenate Maximum Minimum Stack",
    "add": "Add",
    "subtract": "Subtract",
    "multiply": "Multiply",
    "clip": "Clip HardTanh",
    "from_integers": "Cast",
    "index": "Argmax Argmin",
    "flip": "Flip",
    "divide": "Divide TrueDivide",
    "negative": "Negative",
    "square": "Square",
    "requantized": "AveragePool Mean Sum",
    "matmul": "Matmul",
    "relu": "Relu Relu6",
    "abs": "Abs Absolute",
    "gelu": "Gelu",
    "hard_sigmoid": "HardSigmoid",
    "hard_silu": "HardSilu",
    "leaky_relu": "LeakyRelu",
    "sigmoid": "Sigmoid",
    "silu": "Silu",
    "softmax": "Softmax",
    "tanh": "Tanh",
}


def _kind_of_name(groups):
    return {
        name: kind for kind, names in groups.items() for name in names.split()
    }


_LAYER_KINDS = _kind_of_name(_LAYERS)
_OPERATION_KINDS = _kind_of_name(_OPERATIONS)


def kind_of(operation) -> str:
    """The rule that an operation falls under; "unknown" stays float."""
    if isinstance(operation, TransformedWeights):
        kind = kind_of(operation.layer)
        # Those that are taken apart carry the steps of kernels alone.
        is_carried = kind == "weighted" or all(
            step.weight.endswith("kernel") for step in operation.transforms
        )
        return kind if kind in _WITH_WEIGHTS and is_carried else "unknown"
    if isinstance(operation, FakeQuant):
        return "fake_quant"
    if isinstance(operation, KeepFloat):
        return "keep_float"
    if is_graph(operation):
        return "model"
    if (
        type(operation) in _OURS
        or type(operation) is keras.layers.Bidirectional
    ):
        return _kind_of_ours(operation)
    if not type(operation).__module__.startswith("keras."):
        return "unknown"
    if isinstance(operation, keras.layers.Layer):
        return _kind_of_layer(operation)
    return _kind_of_operation(operation)


def _kind_of_ours(layer):
    if getattr(layer, "stateful", False):
        return "unknown"
    if isinstance(layer, keras.layers.Bidirectional):
        return _kind_of_ours(layer.forward_layer)
    return _OURS.get(type(layer), "unknown")


def unwrapped(operation):
    """The layer inside a `TransformedWeights`; any other operation itself."""
    if isinstance(operation, TransformedWeights):
        return operation.layer
    return operation


def _kind_of_layer(layer):
    name = type(layer).__name__
    if name == "Activation":
        return activation_name(layer.activation)
    if name == "ReLU":
        return _kind_of_relu(layer)
    outside = (
        getattr(layer, "data_format", "channels_last") == "channels_first",
        name == "BatchNormalization" and not _is_over_channels(layer),
        name == "Softmax" and layer.axis != -1,
        not _interpolates(layer),
        # Their `kernel` is not the float weight that the layer trains.
        getattr(layer, "quantization_mode", None) is not None,
        getattr(layer, "lora_enabled", False),
    )
    return "unknown" if any(outside) else _LAYER_KINDS.get(name, "unknown")


def _is_over_channels(batch_norm):
    rank = batch_norm.input_spec.ndim if batch_norm.built else None
    return batch_norm.axis == -1 or rank == batch_norm.axis + 1


def _kind_of_relu(layer):
    if layer.threshold != 0:
        return "unknown"
    if layer.negative_slope == 0:
        return "relu"
    return "leaky_relu" if layer.max_value is None else "unknown"


def _kind_of_operation(operation):
    kind = _OPERATION_KINDS.get(type(operation).__name__, "unknown")
    if kind == "unknown":
        return kind
    if kind == "clip":
        return kind if _has_zero_between(operation) else "unknown"
    config = operation.get_config()
    outside = (
        not _interpolates(operation),
        config.get("mode", "constant") != "constant",
        config.get("data_format") == "channels_first",
        kind == "softmax" and config["axis"] != -1,
    )
    return "unknown" if any(outside) else kind


def _interpolates(operation):
    """Whether a resizing, if it is one, has a kernel."""
    method = getattr(operation, "interpolation", "nearest")
    extras = ("antialias", "pad_to_aspect_ratio")
    return method in ("nearest", "bilinear") and not any(
        getattr(operation, name, False) for name in extras
    )


def clip_bounds(operation) -> tuple:
    """The smallest and the largest value that a "clip" or "relu" returns."""
    function = getattr(operation, "activation", operation)
    name = getattr(function, "__name__", type(function).__name__)
    if name == "Clip":
        return operation.x_min, operation.x_max
    if name in ("HardTanh", "hard_tanh"):
        return -1.0, 1.0
    is_relu6 = name in ("Relu6", "relu6")
    largest = 6.0 if is_relu6 else getattr(operation, "max_value", None)
    return 0.0, math.inf if largest is None else largest


def _has_zero_between(clip):
    low, high = clip_bounds(clip)
    are_numbers = all(isinstance(x, numbers.Real) for x in (low, high))
    return are_numbers and low <= 0 <= high and low < high


def activation_name(function) -> str:
    """The kind of an activation function of Keras or its backend.

    "unknown" for any other; `relu6` is a kind of "relu", `hard_tanh` of
    "clip".
    """
    module = getattr(function, "__module__", None) or ""
    name = getattr(function, "__name__", "")
    if not module.startswith(("keras.", "tensorflow.", "jax.")):
        return "unknown"
    name = _ALIASES.get(name, name)
    known = name in ACTIVATIONS or name in ("clip", "linear", "relu")
    return name if known else "unknown"
