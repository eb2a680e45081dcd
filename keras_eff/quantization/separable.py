import keras

from keras_eff.graph import carried_steps
from keras_eff.graph.book import unwrapped

_OF_BOTH = ("data_format", "trainable")
_OF_DEPTHWISE = (
    "kernel_size",
    "strides",
    "padding",
    "dilation_rate",
    "depth_multiplier",
)
_OF_POINTWISE = (
    "filters",
    "use_bias",
    "bias_initializer",
    "bias_regularizer",
    "bias_constraint",
)
_OF_KERNEL = ("initializer", "regularizer", "constraint")


def expand_separable(call, rewriter):
    """Calls the two plain convolutions; the activation is left to do."""
    whole = call.operation
    layer = unwrapped(whole)
    kernel, *others = layer.variables
    outputs = rewriter.apply(
        (id(layer), "depthwise"),
        lambda: carried_steps.with_steps(
            _depthwise(layer, rewriter), whole, "depthwise_kernel"
        ),
        carried_steps.filled(whole, "depthwise_kernel", [kernel]),
        *call.args,
        **call.kwargs,
    )
    return rewriter.apply(
        (id(layer), "pointwise"),
        lambda: carried_steps.with_steps(
            _pointwise(layer, rewriter), whole, "pointwise_kernel"
        ),
        carried_steps.filled(whole, "pointwise_kernel", others),
        outputs,
    )


def _depthwise(layer, rewriter):
    return _twin(layer, "DepthwiseConv")(
        use_bias=False,
        name=rewriter.unique(f"{layer.name}_depthwise"),
        dtype=layer.dtype_policy,
        **{name: getattr(layer, name) for name in (*_OF_BOTH, *_OF_DEPTHWISE)},
        **{
            f"depthwise_{part}": getattr(layer, f"depthwise_{part}")
            for part in _OF_KERNEL
        },
    )


def _pointwise(layer, rewriter):
    is_last = layer.activation is keras.activations.linear
    return _twin(layer, "Conv")(
        kernel_size=1,
        activity_regularizer=layer.activity_regularizer if is_last else None,
        name=rewriter.unique(f"{layer.name}_pointwise"),
        dtype=layer.dtype_policy,
        **{name: getattr(layer, name) for name in (*_OF_BOTH, *_OF_POINTWISE)},
        **{
            f"kernel_{part}": getattr(layer, f"pointwise_{part}")
            for part in _OF_KERNEL
        },
    )


def _twin(layer, name):
    """The class of the same rank: `Conv2D` for a `SeparableConv2D`."""
    return getattr(keras.layers, f"{name}{len(layer.kernel_size)}D")
