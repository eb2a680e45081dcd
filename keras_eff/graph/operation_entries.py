"""What the book says of the bare operations and functions of Keras."""

from keras_eff.graph import combinations
from keras_eff.graph.book import Entry
from keras_eff.graph.book import enter_functions
from keras_eff.graph.book import enter_operations
from keras_eff.graph.conditions import has_usual_interpolation
from keras_eff.graph.conditions import has_zero_between
from keras_eff.graph.conditions import is_over_last_axis
from keras_eff.graph.conditions import pads_with_a_constant


def _enter(names, **facts):
    enter_operations(names, Entry(**facts))


# What moves values about.
_enter(
    "ExpandDims GetItem Moveaxis Squeeze Swapaxes Transpose",
    kind="same_scale",
    channels="moved",
)
_enter("Reshape", kind="same_scale", channels="reshaped")
_enter("Pad", kind="same_scale", channels="padded", fits=pads_with_a_constant)
_enter("Amax Amin Max Min", kind="same_scale", channels="reduced")
_enter("Copy DepthToSpace MaxPool Ravel SpaceToDepth Split", kind="same_scale")
_enter("Resize", kind="same_scale", fits=has_usual_interpolation)
_enter("Flip", kind="flip", channels="moved")

# Where tensors meet.
_enter("Concatenate", kind="tied", channels="concatenate")
_enter("Stack", kind="tied")
_enter("Maximum", kind="tied", channels="merge", combine=combinations.maximum)
_enter("Minimum", kind="tied", channels="merge", combine=combinations.minimum)
_enter("Add", kind="add", channels="merge", combine=combinations.add)
_enter(
    "Subtract", kind="subtract", channels="merge", combine=combinations.subtract
)
_enter(
    "Multiply", kind="multiply", channels="merge", combine=combinations.multiply
)
_enter(
    "Divide TrueDivide",
    kind="divide",
    channels="merge",
    combine=combinations.divide,
)
_enter("Matmul", kind="matmul")

# Sums and means.
_enter("Mean", kind="requantized", channels="reduced")
_enter("Sum", kind="requantized", channels="summed")
_enter("AveragePool", kind="requantized")
_enter("Argmax Argmin", kind="index")

# Functions of each element, but for the softmax.
_enter("Abs Absolute", kind="abs", channels="elementwise")
_enter("Cast", kind="from_integers", channels="elementwise")
_enter(
    "Clip HardTanh", kind="clip", channels="elementwise", fits=has_zero_between
)
_enter("Gelu", kind="gelu", channels="elementwise")
_enter("HardSigmoid", kind="hard_sigmoid", channels="elementwise")
_enter("HardSilu", kind="hard_silu", channels="elementwise")
_enter("LeakyRelu", kind="leaky_relu", channels="elementwise")
_enter("Negative", kind="negative", channels="elementwise")
_enter("Relu Relu6", kind="relu", channels="elementwise")
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
_enter("Softmax", kind="softmax", fits=is_over_last_axis)

# Activations.
for _names, _kind in (
    ("abs absolute", "abs"),
    ("clip hard_tanh", "clip"),
    ("gelu", "gelu"),
    ("hard_sigmoid", "hard_sigmoid"),
    ("hard_silu", "hard_silu"),
    ("leaky_relu", "leaky_relu"),
    ("linear", "linear"),
    ("relu relu6", "relu"),
    ("sigmoid", "sigmoid"),
    ("silu swish", "silu"),
    ("tanh", "tanh"),
):
    enter_functions(_names, Entry(kind=_kind, channels="elementwise"))
enter_functions("softmax", Entry(kind="softmax"))
enter_functions(
    "cast celu elu erf exp expm1 hard_shrink log1p log_sigmoid mish negative "
    "round rsqrt selu sign soft_shrink softplus softsign sparse_plus sqrt "
    "square squareplus stop_gradient tanh_shrink threshold",
    Entry(channels="elementwise"),
)
