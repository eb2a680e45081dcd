"""What the book says of the bare operations and functions of Keras."""

import math

from keras_eff.graph import book
from keras_eff.graph import entry_functions as functions


def _enter(names, kind="unknown", channels="frozen", **facts):
    book.enter_operations(names, book.Entry(kind, channels, **facts))


# What moves values about.
_enter(
    "ExpandDims GetItem Moveaxis Squeeze Swapaxes Transpose",
    "same_scale",
    "moved",
)
_enter("Reshape", "reshape", "reshaped")
_enter("Pad", "same_scale", "padded", fits=functions.pads_with_a_constant)
_enter("Amax Amin Max Min", "same_scale", "reduced")
_enter("Copy DepthToSpace MaxPool Ravel SpaceToDepth", "same_scale")
_enter("Split", "split")
_enter("Resize", "same_scale", fits=functions.has_usual_interpolation)
_enter("Flip", "flip", "moved")

# Where tensors meet.
_enter("Concatenate", "concatenate", "concatenate")
_enter("Stack", "tied")
_enter("Maximum", "tied", "merge", combine=functions.maximum)
_enter("Minimum", "tied", "merge", combine=functions.minimum)
_enter("Add", "add", "merge", combine=functions.add)
_enter("Subtract", "subtract", "merge", combine=functions.subtract)
_enter("Multiply", "multiply", "merge", combine=functions.multiply)
_enter("Divide TrueDivide", "divide", "merge", combine=functions.divide)
_enter("Matmul", "matmul")

# Sums and means.
_enter("Mean", "requantized", "reduced")
_enter("Sum", "requantized", "summed")
_enter("AveragePool", "average_pool")
_enter("Argmax", "argmax")
_enter("Argmin", "argmin")

# Functions of each element, but for the softmax.
_enter("Abs Absolute", "abs", "elementwise")
_enter("Cast", "cast", "elementwise")
# In a file, they are constants.
_enter("FullLike OnesLike ZerosLike", "of_shape")
_enter(
    "Clip",
    "clip",
    "elementwise",
    fits=functions.has_zero_between,
    bounds=functions.clip_bounds,
)
_enter("HardTanh", "clip", "elementwise", bounds=(-1.0, 1.0))
_enter("Gelu", "gelu", "elementwise")
_enter("HardSigmoid", "hard_sigmoid", "elementwise")
_enter("HardSilu", "hard_silu", "elementwise")
_enter("LeakyRelu", "leaky_relu", "elementwise")
_enter("Negative", "negative", "elementwise")
_enter("Relu", "relu", "elementwise", bounds=(0.0, math.inf))
_enter("Relu6", "relu", "elementwise", bounds=(0.0, 6.0))
_enter("Sigmoid", "sigmoid", "elementwise")
_enter("Silu", "silu", "elementwise")
_enter("Square", "square", "elementwise")
_enter("Tanh", "tanh", "elementwise")
_enter(
    "Celu Elu Erf Exp Expm1 HardShrink Log1p LogSigmoid Mish Round Rsqrt Selu "
    "Sign SoftShrink Softplus Softsign SparsePlus Sqrt Squareplus StopGradient "
    "TanhShrink Threshold",
    channels="elementwise",
)
_enter("Softmax", "softmax", fits=functions.is_over_last_axis)

# Activations.
for _names, _kind, _bounds in (
    ("abs absolute", "abs", None),
    ("hard_tanh", "clip", (-1.0, 1.0)),
    ("gelu", "gelu", None),
    ("hard_sigmoid", "hard_sigmoid", None),
    ("hard_silu", "hard_silu", None),
    ("leaky_relu", "leaky_relu", None),
    ("linear", "linear", None),
    ("relu", "relu", (0.0, math.inf)),
    ("relu6", "relu", (0.0, 6.0)),
    ("sigmoid", "sigmoid", None),
    ("silu swish", "silu", None),
    ("tanh", "tanh", None),
):
    book.enter_functions(
        _names, book.Entry(kind=_kind, channels="elementwise", bounds=_bounds)
    )
book.enter_functions("softmax", book.Entry(kind="softmax"))
book.enter_functions(
    "cast celu elu erf exp expm1 hard_shrink log1p log_sigmoid mish negative "
    "round rsqrt selu sign soft_shrink softplus softsign sparse_plus sqrt "
    "square squareplus stop_gradient tanh_shrink threshold",
    book.Entry(channels="elementwise"),
)
