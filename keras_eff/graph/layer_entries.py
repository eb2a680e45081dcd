"""What the book says of the layers of Keras and keras_eff."""

import keras

from keras_eff import layers
from keras_eff.graph import entry_functions as functions
from keras_eff.graph.affine_terms import batch_norm_terms
from keras_eff.graph.affine_terms import normalization_terms
from keras_eff.graph.affine_terms import rescaling_terms
from keras_eff.graph.book import Entry
from keras_eff.graph.book import WeightEntry
from keras_eff.graph.book import activation_kind
from keras_eff.graph.book import bounds_of
from keras_eff.graph.book import enter_layer
from keras_eff.graph.book import kind_of
from keras_eff.layers.keep_float import KeepFloat
from keras_eff.layers.linear_recurrence import LinearRecurrence
from keras_eff.layers.local_attention_pooling import LocalAttentionPooling
from keras_eff.layers.set_mask import SetMask
from keras_eff.layers.zoneout import Zoneout

_KERNEL = (WeightEntry("kernel"),)
_TRANSPOSED = (WeightEntry("kernel", (-2,), -1),)
_DEPTHWISE = (WeightEntry("kernel", (-2, -1)),)
_SEPARABLE = (
    WeightEntry("depthwise_kernel", (-2, -1)),
    WeightEntry("pointwise_kernel"),
)
# One scale for all rows: they are looked up one by one.
_EMBEDDINGS = (WeightEntry("embeddings", scales=()),)
_RECURRENT = (WeightEntry("kernel"), WeightEntry("recurrent_kernel"))


def _enter(names, **facts):
    for name in names.split():
        enter_layer(getattr(keras.layers, name), Entry(**facts))


def _kind_of_relu(layer):
    if layer.threshold != 0:
        return "unknown"
    if layer.negative_slope == 0:
        return "relu"
    return "leaky_relu" if layer.max_value is None else "unknown"


# Layers with weights.
_enter(
    "Dense",
    kind="weighted",
    channels="dense",
    weights=_KERNEL,
    factorizes=True,
    size="units",
)
_enter(
    "Conv1D Conv2D",
    kind="weighted",
    channels="convolution",
    weights=_KERNEL,
    factorizes=True,
    size="filters",
)
_enter("Conv3D", channels="convolution", weights=_KERNEL, size="filters")
_enter(
    "Conv1DTranspose Conv2DTranspose",
    kind="weighted",
    channels="transposed_convolution",
    weights=_TRANSPOSED,
    fuses_activation=False,
    size="filters",
)
_enter(
    "Conv3DTranspose",
    channels="transposed_convolution",
    weights=_TRANSPOSED,
    size="filters",
)
_enter(
    "DepthwiseConv1D DepthwiseConv2D",
    kind="weighted",
    channels="depthwise",
    weights=_DEPTHWISE,
)
_enter(
    "SeparableConv1D SeparableConv2D",
    kind="separable",
    channels="separable",
    weights=_SEPARABLE,
    num_kernels=2,
    size="filters",
)
_enter(
    "Embedding",
    kind="weighted",
    channels="embedding",
    weights=_EMBEDDINGS,
    fuses=False,
    size="output_dim",
)
_enter(
    "MultiHeadAttention", kind="attention", channels="attention", num_kernels=2
)
_enter("GroupQueryAttention", num_kernels=2)
_enter("EinsumDense", weights=functions.einsum_weights)
_enter(
    "ReversibleEmbedding",
    weights=(
        *_EMBEDDINGS,
        WeightEntry("reverse_embeddings", (-1,), -2, scales=()),
    ),
)
_enter("SimpleRNNCell GRUCell LSTMCell", weights=_RECURRENT)
enter_layer("ConvLSTMCell", Entry(weights=_RECURRENT))
_enter("SimpleRNN", channels="recurrent", size="units")
_enter("GRU", channels="recurrent", size="units", num_gates=3)
_enter("LSTM", channels="recurrent", size="units", num_gates=4)
_enter(
    "Bidirectional",
    kind=lambda layer: kind_of(layer.forward_layer),
    channels="bidirectional",
    fits=functions.is_stateless,
)
_enter("TimeDistributed", kind="time_distributed")

# Normalizations.
_enter(
    "BatchNormalization",
    kind="batch_norm",
    channels="batch_normalization",
    fits=functions.is_over_last_axis,
    affine=batch_norm_terms,
)
_enter("GroupNormalization", channels="group_normalization")
_enter("Normalization", kind="affine", affine=normalization_terms)
_enter(
    "Rescaling",
    kind="affine",
    channels="rescaling",
    affine=rescaling_terms,
)

# Functions of each element, but for the softmax.
_enter(
    "Activation",
    kind=lambda layer: activation_kind(layer.activation),
    channels="elementwise",
    bounds=lambda layer: bounds_of(layer.activation),
)
_enter(
    "ReLU",
    kind=_kind_of_relu,
    channels="elementwise",
    bounds=functions.relu_bounds,
)
_enter("LeakyReLU", kind="leaky_relu", channels="elementwise")
_enter("ELU", channels="elementwise")
_enter("PReLU", kind="prelu", channels="prelu")
_enter("Softmax", kind="softmax", fits=functions.is_over_last_axis)

# What moves values about, and pools them.
_enter("Flatten Permute", kind="same_scale", channels="moved")
_enter("Reshape", kind="reshape", channels="reshaped")
_enter("RepeatVector", kind="same_scale", channels="repeated_vector")
_enter(
    "Cropping1D Cropping2D Cropping3D MaxPooling1D MaxPooling2D",
    kind="same_scale",
    channels="pooled",
)
_enter("UpSampling1D", kind="upsampling", channels="pooled")
_enter(
    "UpSampling2D",
    kind="upsampling",
    channels="pooled",
    fits=functions.has_usual_interpolation,
)
_enter("UpSampling3D", kind="same_scale", channels="pooled")
_enter("MaxPooling3D AveragePooling3D", channels="pooled")
_enter(
    "AveragePooling1D AveragePooling2D", kind="average_pool", channels="pooled"
)
_enter(
    "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D",
    kind="same_scale",
    channels="pooled_globally",
)
_enter(
    "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D",
    kind="requantized",
    channels="pooled_globally",
)
_enter(
    "ZeroPadding1D ZeroPadding2D ZeroPadding3D",
    kind="same_scale",
    channels="padded",
)
_enter("Resizing", kind="same_scale", fits=functions.has_usual_interpolation)
_enter("CenterCrop", kind="center_crop")

# Where tensors meet.
_enter("Add", kind="add", channels="merge", combine=functions.add)
_enter("Average", kind="average", channels="merge", combine=functions.average)
_enter("Maximum", kind="tied", channels="merge", combine=functions.maximum)
_enter("Minimum", kind="tied", channels="merge", combine=functions.minimum)
_enter(
    "Multiply", kind="multiply", channels="merge", combine=functions.multiply
)
_enter(
    "Subtract", kind="subtract", channels="merge", combine=functions.subtract
)
_enter("Concatenate", kind="concatenate", channels="concatenate")

# The identity at inference.
_enter(
    "ActivityRegularization AlphaDropout Dropout GaussianDropout "
    "GaussianNoise Identity SpatialDropout1D SpatialDropout2D "
    "SpatialDropout3D",
    kind="linear",
    channels="unchanged",
)
_enter(
    "AugMix RandAugment RandomBrightness RandomColorDegeneration "
    "RandomColorJitter RandomContrast RandomElasticTransform "
    "RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue "
    "RandomInvert RandomPerspective RandomPosterization RandomRotation "
    "RandomSaturation RandomSharpness RandomShear RandomTranslation "
    "RandomZoom",
    kind="linear",
)

# Of keras_eff.
enter_layer(
    layers.DepthwiseSeparable,
    Entry(kind="composed", channels="depthwise_separable", num_kernels=2),
)
enter_layer(layers.FakeQuant, Entry(kind="fake_quant", channels="rounded"))
enter_layer(KeepFloat, Entry(kind="keep_float", channels="rounded"))
enter_layer(
    LinearRecurrence,
    Entry(kind="recurrence", fits=functions.is_stateless),
)
enter_layer(LocalAttentionPooling, Entry(kind="local_attention"))
enter_layer(
    layers.LocalProjectedAttention,
    Entry(kind="composed", channels="local_attention"),
)
enter_layer(layers.ProjectionLayer, Entry(kind="from_integers"))
enter_layer(
    layers.QRNN,
    Entry(
        kind="composed", channels="quasi_recurrent", fits=functions.is_stateless
    ),
)
enter_layer(SetMask, Entry(kind="linear"))
enter_layer(Zoneout, Entry(kind="linear", channels="unchanged"))
