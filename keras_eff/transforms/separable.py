import keras

_BOTH = ("strides", "padding", "data_format", "dilation_rate", "dtype")
_DEPTHWISE = ("initializer", "regularizer", "constraint")
_LAST = (
    "filters",
    "use_bias",
    "bias_initializer",
    "bias_regularizer",
    "bias_constraint",
    "activity_regularizer",
    "trainable",
)


def split(layer):
    """The two plain convolutions that a separable one stands for."""
    config = layer.get_config()
    rank = "1D" if type(layer).__name__.endswith("1D") else "2D"
    depthwise = getattr(keras.layers, f"DepthwiseConv{rank}")
    pointwise = getattr(keras.layers, f"Conv{rank}")
    return (
        depthwise(
            kernel_size=config["kernel_size"],
            depth_multiplier=config["depth_multiplier"],
            use_bias=False,
            trainable=config["trainable"],
            name=f"{layer.name}_depthwise",
            **{key: config[key] for key in _BOTH},
            **{
                f"depthwise_{key}": config[f"depthwise_{key}"]
                for key in _DEPTHWISE
            },
        ),
        pointwise(
            kernel_size=1,
            data_format=config["data_format"],
            dtype=config["dtype"],
            name=f"{layer.name}_pointwise",
            **{key: config[key] for key in _LAST},
            **{
                f"kernel_{key}": config[f"pointwise_{key}"]
                for key in _DEPTHWISE
            },
        ),
    )


def expand_separable(call, rewriter):
    """Calls the two plain convolutions; the activation is left to do."""
    layer = call.operation
    depthwise, pointwise = split(layer)
    first, *rest = layer.variables
    outputs = rewriter.apply(
        (id(layer), "depthwise"), lambda: depthwise, [first], *call.args
    )
    return rewriter.apply(
        (id(layer), "pointwise"), lambda: pointwise, rest, outputs
    )
