"""What the book says of the layers of Keras and keras_eff."""

import keras

from keras_eff import layers
from keras_eff.graph import affine_terms
from keras_eff.graph import book
from keras_eff.graph import entry_functions as functions
from keras_eff.layers.keep_float import KeepFloat
from keras_eff.layers.linear_recurrence import LinearRecurrence
from keras_eff.layers.local_attention_pooling import LocalAttentionPooling
from keras_eff.layers.set_mask import SetMask
from keras_eff.layers.zoneout import Zoneout

_KERNEL = (book.WeightEntry("kernel"),)
_TRANSPOSED = (book.WeightEntry("kernel", (-2,), -1),)
_DEPTHWISE = (book.WeightEntry("kernel", (-2, -1)),)
_SEPARABLE = (
    book.WeightEntry("depthwise_kernel", (-2, -1)),
    book.WeightEntry("pointwise_kernel"),
)
# One scale for all rows: they are looked up one by one.
_EMBEDDINGS = (book.WeightEntry("embeddings", scales=()),)
_RECURRENT = (book.WeightEntry("kernel"), book.WeightEntry("recurrent_kernel"))


def _enter(names, kind="unknown", channels="frozen", **facts):
    for name in names.split():
        book.enter_layer(
            getattr(keras.layers, name), book.Entry(kind, channels, **facts)
        )


def _kind_of_relu(layer):
    if layer.threshold != 0:
        return "unknown"
    if layer.negative_slope == 0:
        return "relu"
    return "leaky_relu" if layer.max_value is None else "unknown"


# Layers with weights.
_enter(
    "Dense", "weighted", "dense", weights=_KERNEL, factorizes=True, size="units"
)
_enter(
    "Conv1D Conv2D",
    "weighted",
    "convolution",
    weights=_KERNEL,
    factorizes=True,
    size="filters",
)
_enter("Conv3D", channels="convolution", weights=_KERNEL, size="filters")
_enter(
    "Conv1DTranspose Conv2DTranspose",
    "weighted",
    "transposed_convolution",
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
    "weighted",
    "depthwise",
    weights=_DEPTHWISE,
)
_enter(
    "SeparableConv1D SeparableConv2D",
    "separable",
    "separable",
    weights=_SEPARABLE,
    num_kernels=2,
    size="filters",
)
_enter(
    "Embedding",
    "weighted",
    "embedding",
    weights=_EMBEDDINGS,
    fuses=False,
    size="output_dim",
)
_enter("MultiHeadAttention", "attention", "attention", num_kernels=2)
_enter("GroupQueryAttention", num_kernels=2)
_enter("EinsumDense", weights=functions.einsum_weights)
_enter(
    "ReversibleEmbedding",
    weights=(
        *_EMBEDDINGS,
        book.WeightEntry("reverse_embeddings", (-1,), -2, scales=()),
    ),
)
_enter("SimpleRNNCell GRUCell LSTMCell", weights=_RECURRENT)
book.enter_layer("ConvLSTMCell", book.Entry(weights=_RECURRENT))
_enter("SimpleRNN", channels="recurrent", size="units")
_enter("GRU", channels="recurrent", size="units", num_gates=3)
_enter("LSTM", channels="recurrent", size="units", num_gates=4)
_enter(
    "Bidirectional",
    lambda layer: book.kind_of(layer.forward_layer),
    "bidirectional",
    fits=functions.is_stateless,
)
_enter("TimeDistributed", "time_distributed")

# Normalizations.
_enter(
    "BatchNormalization",
    "batch_norm",
    "batch_normalization",
    fits=functions.is_over_last_axis,
    affine=affine_terms.batch_norm_terms,
)
_enter("GroupNormalization", channels="group_normalization")
_enter("Normalization", "affine", affine=affine_terms.normalization_terms)
_enter("Rescaling", "affine", "rescaling", affine=affine_terms.rescaling_terms)

# Functions of each element, but for the softmax.
_enter(
    "Activation",
    lambda layer: book.activation_kind(layer.activation),
    "elementwise",
    bounds=lambda layer: book.bounds_of(layer.activation),
)
_enter("ReLU", _kind_of_relu, "elementwise", bounds=functions.relu_bounds)
_enter("LeakyReLU", "leaky_relu", "elementwise")
_enter("ELU", channels="elementwise")
_enter("PReLU", "prelu", "prelu")
_enter("Softmax", "softmax", fits=functions.is_over_last_axis)

# What moves values about, and pools them.
_enter("Flatten Permute", "same_scale", "moved")
_enter("Reshape", "reshape", "reshaped")
_enter("RepeatVector", "same_scale", "repeated_vector")
_enter(
    "Cropping1D Cropping2D Cropping3D MaxPooling1D MaxPooling2D",
    "same_scale",
    "pooled",
)
_enter("UpSampling1D", "upsampling", "pooled")
_enter(
    "UpSampling2D",
    "upsampling",
    "pooled",
    fits=functions.has_usual_interpolation,
)
_enter("UpSampling3D", "same_scale", "pooled")
_enter("MaxPooling3D AveragePooling3D", channels="pooled")
_enter("AveragePooling1D AveragePooling2D", "average_pool", "pooled")
_enter(
    "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D",
    "same_scale",
    "pooled_globally",
)
_enter(
    "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D",
    "requantized",
    "pooled_globally",
)
_enter("ZeroPadding1D ZeroPadding2D ZeroPadding3D", "same_scale", "padded")
_enter("Resizing", "same_scale", fits=functions.has_usual_interpolation)
_enter("CenterCrop", "center_crop")

# Where tensors meet.
_enter("Add", "add", "merge", combine=functions.add)
_enter("Average", "average", "merge", combine=functions.average)
_enter("Maximum", "tied", "merge", combine=functions.maximum)
_enter("Minimum", "tied", "merge", combine=functions.minimum)
_enter("Multiply", "multiply", "merge", combine=functions.multiply)
_enter("Subtract", "subtract", "merge", combine=functions.subtract)
_enter("Concatenate", "concatenate", "concatenate")

# The identity at inference.
_enter(
    "ActivityRegularization AlphaDropout Dropout GaussianDropout "
    "GaussianNoise Identity SpatialDropout1D SpatialDropout2D "
    "SpatialDropout3D",
    "linear",
    "unchanged",
)
_enter(
    "AugMix RandAugment RandomBrightness RandomColorDegeneration "
    "RandomColorJitter RandomContrast RandomElasticTransform "
    "RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue "
    "RandomInvert RandomPerspective RandomPosterization RandomRotation "
    "RandomSaturation RandomSharpness RandomShear RandomTranslation "
    "RandomZoom",
    "linear",
)

# Of keras_eff.
book.enter_layer(
    layers.DepthwiseSeparable,
    book.Entry(kind="composed", channels="depthwise_separable", num_kernels=2),
)
book.enter_layer(
    layers.FakeQuant, book.Entry(kind="fake_quant", channels="rounded")
)
book.enter_layer(KeepFloat, book.Entry(kind="keep_float", channels="rounded"))
book.enter_layer(
    LinearRecurrence, book.Entry(kind="recurrence", fits=functions.is_stateless)
)
book.enter_layer(LocalAttentionPooling, book.Entry(kind="local_attention"))
book.enter_layer(
    layers.LocalProjectedAttention,
    book.Entry(kind="composed", channels="local_attention"),
)
book.enter_layer(layers.ProjectionLayer, book.Entry(kind="from_integers"))
book.enter_layer(
    layers.QRNN,
    book.Entry(
        kind="composed", channels="quasi_recurrent", fits=functions.is_stateless
    ),
)
book.enter_layer(SetMask, book.Entry(kind="linear"))
book.enter_layer(Zoneout, book.Entry(kind="linear", channels="unchanged"))
