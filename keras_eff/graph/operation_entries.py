"""What the book says of the bare operations and functions of Keras."""

import math

from keras_eff.graph import entry_functions as functions
from keras_eff.graph.book import Entry
from keras_eff.graph.book import enter_functions
from keras_eff.graph.book import enter_operations


def _enter(names, **facts):
    enter_operations(names, Entry(**facts))


# What moves values about.
_enter(
    "ExpandDims GetItem Moveaxis Squeeze Swapaxes Transpose",
    kind="same_scale",
    channels="moved",
)
_enter("Reshape", kind="reshape", channels="reshaped")
_enter(
    "Pad",
    kind="same_scale",
    channels="padded",
    fits=functions.pads_with_a_constant,
)
_enter("Amax Amin Max Min", kind="same_scale", channels="reduced")
_enter("Copy DepthToSpace MaxPool Ravel SpaceToDepth", kind="same_scale")
_enter("Split", kind="split")
_enter("Resize", kind="same_scale", fits=functions.has_usual_interpolation)
_enter("Flip", kind="flip", channels="moved")

# Where tensors meet.
_enter("Concatenate", kind="concatenate", channels="concatenate")
_enter("Stack", kind="tied")
_enter("Maximum", kind="tied", channels="merge", combine=functions.maximum)
_enter("Minimum", kind="tied", channels="merge", combine=functions.minimum)
_enter("Add", kind="add", channels="merge", combine=functions.add)
_enter(
    "Subtract", kind="subtract", channels="merge", combine=functions.subtract
)
_enter(
    "Multiply", kind="multiply", channels="merge", combine=functions.multiply
)
_enter(
    "Divide TrueDivide",
    kind="divide",
    channels="merge",
    combine=functions.divide,
)
_enter("Matmul", kind="matmul")

# Sums and means.
_enter("Mean", kind="requantized", channels="reduced")
_enter("Sum", kind="requantized", channels="summed")
_enter("AveragePool", kind="average_pool")
_enter("Argmax", kind="argmax")
_enter("Argmin", kind="argmin")

# Functions of each element, but for the softmax.
_enter("Abs Absolute", kind="abs", channels="elementwise")
_enter("Cast", kind="cast", channels="elementwise")
# In a file, they are constants.
_enter("FullLike OnesLike ZerosLike", kind="of_shape")
_enter(
    "Clip",
    kind="clip",
    channels="elementwise",
    fits=functions.has_zero_between,
    bounds=functions.clip_bounds,
)
_enter("HardTanh", kind="clip", channels="elementwise", bounds=(-1.0, 1.0))
_enter("Gelu", kind="gelu", channels="elementwise")
_enter("HardSigmoid", kind="hard_sigmoid", channels="elementwise")
_enter("HardSilu", kind="hard_silu", channels="elementwise")
_enter("LeakyRelu", kind="leaky_relu", channels="elementwise")
_enter("Negative", kind="negative", channels="elementwise")
_enter("Relu", kind="relu", channels="elementwise", bounds=(0.0, math.inf))
_enter("Relu6", kind="relu", channels="elementwise", bounds=(0.0, 6.0))
_enter("Sigmoid", kind="sigmoid", channels="elementwise")
_enter("Silu", kind="silu", channels="elementwise")
_enter("Square", kind="square", channels="elementwise")
_enter("Tanh", kind="tanh", channels="elementwise")
_enter(
    "Celu Elu Erf Exp Expm1 HardShrink Log1p LogSigmoid Mish Round Rsqrt Selu "
    "Sign SoftShrink Softplus Softsign SparsePlus Sqrt Squareplus StopGradient "
    "TanhShrink Threshold",
    channels="elementwise",
)
_enter("Softmax", kind="softmax", fits=functions.is_over_last_axis)

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
    enter_functions(
        _names, Entry(kind=_kind, channels="elementwise", bounds=_bounds)
    )
enter_functions("softmax", Entry(kind="softmax"))
enter_functions(
    "cast celu elu erf exp expm1 hard_shrink log1p log_sigmoid mish negative "
    "round rsqrt selu sign soft_shrink softplus softsign sparse_plus sqrt "
    "square squareplus stop_gradient tanh_shrink threshold",
    Entry(channels="elementwise"),
)
