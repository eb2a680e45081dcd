import keras

from keras_eff.arguments import read_choice
from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.layers.arguments import take

_STEPS = ("convolution", "normalization", "activation")
_NORMALIZATIONS = (None, "batch", "layer")
_OF_KERNELS = tuple(
    f"{kernel}_{part}"
    for kernel in ("depthwise", "pointwise")
    for part in ("initializer", "regularizer", "constraint")
)
_OF_DEPTHWISE = (
    "kernel_size",
    "strides",
    "padding",
    "dilation_rate",
    "depth_multiplier",
)
_OURS = (
    "filters",
    "data_format",
    "normalization",
    "momentum",
    "depthwise_steps",
    "pointwise_steps",
    "use_bias",
)


@keras.saving.register_keras_serializable(package="keras_eff")
class DepthwiseSeparable(keras.layers.Layer):
    """A depthwise and a pointwise convolution, each with its own finish.

    Takes the place of `keras.layers.Conv2D` or `Conv1D`, at a fraction of the
    multiplications: `kernel_size**2 + filters` for each input channel and
    position, where they have `kernel_size**2 * filters`. By default each of
    the two is followed by a batch normalization and an activation, as in
    MobileNet. Training and inference differ as in the layers it consists of.

    Args:
        filters: Positive integer, channels of the output.
        kernel_size: Integer or tuple, of the depthwise convolution.
        strides: Integer or tuple, of the depthwise convolution.
        depth_multiplier: Positive integer, how many channels the depthwise
            convolution makes of each.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first"; by default that of
            `keras.config.image_data_format()`.
        dilation_rate: Integer or tuple, of the depthwise convolution.
        activation: Activation of both.
        normalization: "batch", "layer" or None.
        momentum: Float in [0, 1), of batch normalizations; 0.9 rather than
            0.99 where a training has few steps.
        depthwise_steps: Tuple, in what order "convolution", "normalization"
            and "activation" come in the first half; those not named are left
            out. Xception: `("activation", "convolution")`.
        pointwise_steps: The same of the second half. Xception:
            `("convolution", "normalization")`.
        use_bias: Boolean, whether the convolutions have a bias; None: those
            that no normalization follows.
        **kwargs: `depthwise_initializer`, `pointwise_regularizer` and so on,
            as in `keras.layers.SeparableConv2D`, and arguments of
            `keras.layers.Layer`.

    Call arguments:
        inputs: Float tensor.
        training: Boolean, for the normalizations.

    Input shape:
        (batch, steps, channels) or (batch, height, width, channels).

    Output shape:
        That of `keras.layers.SeparableConv1D` or `SeparableConv2D`.

    Raises:
        ValueError: If an argument is out of range, or the inputs have
            another rank.

    Example:

    >>> layer = keras_eff.layers.DepthwiseSeparable(64, 3, padding="same")
    >>> tuple(layer(np.ones((1, 32, 32, 16))).shape)
    (1, 32, 32, 64)

    Reference:
        - [Howard et al., 2017](https://arxiv.org/abs/1704.04861), section 3.1
        - [Chollet, 2017](https://arxiv.org/abs/1610.02357), section 3
    """

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        depth_multiplier=1,
        *,
        padding="valid",
        data_format=None,
        dilation_rate=1,
        activation="relu6",
        normalization="batch",
        momentum=0.99,
        depthwise_steps=_STEPS,
        pointwise_steps=_STEPS,
        use_bias=None,
        **kwargs,
    ):
        arguments = take(_OF_KERNELS, kwargs)
        super().__init__(**kwargs)
        self.filters = read_integer("filters", filters, 1)
        self.kernel_size = kernel_size
        self.strides = strides
        self.depth_multiplier = read_integer(
            "depth_multiplier", depth_multiplier, 1
        )
        self.padding = read_choice("padding", padding, ("valid", "same"))
        self.data_format = data_format or keras.config.image_data_format()
        self.dilation_rate = dilation_rate
        self.activation = keras.activations.get(activation)
        self.normalization = read_choice(
            "normalization", normalization, _NORMALIZATIONS
        )
        self.momentum = read_number("momentum", momentum, "[0, 1)")
        self.depthwise_steps = _check_steps("depthwise_steps", depthwise_steps)
        self.pointwise_steps = _check_steps("pointwise_steps", pointwise_steps)
        self.use_bias = use_bias
        self._arguments = arguments
        # Checks and completes the arguments.
        sizes = (kernel_size, strides, dilation_rate)
        rank = max(len(x) if isinstance(x, (list, tuple)) else 1 for x in sizes)
        config = self._twin(rank).get_config()
        self._arguments = {name: config[name] for name in _OF_KERNELS}
        self.layers = []

    def _twin(self, rank):
        """The layer of Keras that convolves alike."""
        if rank not in (1, 2):
            raise ValueError(
                "`DepthwiseSeparable` is for inputs of rank 3 or 4. "
                f"Received: {rank} dimensions besides batch and channels"
            )
        return getattr(keras.layers, f"SeparableConv{rank}D")(
            self.filters,
            data_format=self.data_format,
            **{name: getattr(self, name) for name in _OF_DEPTHWISE},
            **self._arguments,
        )

    def build(self, input_shape):
        twin = self._twin(len(input_shape) - 2)
        self.layers = [
            getattr(self, f"_{step}")(twin, half, steps)
            for half, steps in (
                ("depthwise", self.depthwise_steps),
                ("pointwise", self.pointwise_steps),
            )
            for step in steps
            if step != "normalization" or self.normalization
        ]
        for layer in self.layers:
            layer.build(input_shape)
            input_shape = layer.compute_output_shape(input_shape)

    def _named(self, half, step):
        return {
            "name": f"{self.name}_{half}_{step}",
            "dtype": self.dtype_policy,
        }

    def _convolution(self, twin, half, steps):
        after = steps[steps.index("convolution") :]
        normalized = bool(self.normalization) and "normalization" in after
        options = {
            "data_format": self.data_format,
            "use_bias": not normalized
            if self.use_bias is None
            else self.use_bias,
            **self._named(half, "convolution"),
        }
        name = type(twin).__name__.removeprefix("Separable")
        if half == "depthwise":
            options |= {name: getattr(twin, name) for name in _OF_DEPTHWISE}
            options |= self._of_kernel(half, "depthwise")
            return getattr(keras.layers, f"Depthwise{name}")(**options)
        options |= self._of_kernel(half, "kernel")
        return getattr(keras.layers, name)(self.filters, 1, **options)

    def _of_kernel(self, half, prefix):
        """The arguments of one kernel, under the names of its layer."""
        return {
            name.replace(half, prefix): value
            for name, value in self._arguments.items()
            if name.startswith(half)
        }

    def _normalization(self, twin, half, steps):
        options = self._named(half, "normalization")
        options["axis"] = 1 if self.data_format == "channels_first" else -1
        if self.normalization == "layer":
            return keras.layers.LayerNormalization(**options)
        return keras.layers.BatchNormalization(
            momentum=self.momentum, **options
        )

    def _activation(self, twin, half, steps):
        named = self._named(half, "activation")
        return keras.layers.Activation(self.activation, **named)

    def call(self, inputs):
        for layer in self.layers:
            inputs = layer(inputs)
        return inputs

    def compute_output_shape(self, input_shape):
        twin = self._twin(len(input_shape) - 2)
        return twin.compute_output_shape(input_shape)

    def get_config(self):
        names = (*_OF_DEPTHWISE, *_OURS)
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            **self._arguments,
            "activation": keras.activations.serialize(self.activation),
        }


def _check_steps(name, steps):
    is_tuple = isinstance(steps, (list, tuple))
    known = is_tuple and all(step in _STEPS for step in steps)
    if not known or len(set(steps)) != len(steps) or "convolution" not in steps:
        raise ValueError(
            f"Argument `{name}` must hold {_STEPS}, each at most once, and "
            f'"convolution" in any case. Received: {name}={steps!r}'
        )
    return tuple(steps)
