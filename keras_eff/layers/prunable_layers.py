import inspect

import keras

from keras_eff.layers.pruning_mask import PruningMask
from keras_eff.layers.transformed_weights import TransformedWeights

_SIZES = {
    "units": "Positive integer, size of the output.",
    "filters": "Positive integer, number of output channels.",
    "kernel_size": "Integer or tuple of integers, size of the window.",
}
_DOCSTRING = """`keras.layers.{twin}` with a kernel that can be pruned.

    Its twin in all respects until something prunes it:
    `keras_eff.callbacks.PruningScheduler` in `fit`, by `schedule` or its own.
    Pruned weights stay exactly zero, in training, in the saved model and in
    the exported file. Training and inference are alike.

    Args:
        {sizes}
        schedule: Optional function of the step that returns the sparsity,
            such as a `keras_eff.schedules.SparsitySchedule`.
        pattern: "unstructured", "channel" or "N:M", see
            `keras_eff.layers.PruningMask`.
        block_shape: Pair of positive integers, over {blocks}.
        **kwargs: Other arguments of `keras.layers.{twin}`.

    Call arguments:
        inputs: Float tensor.

    Input shape:
        That of `keras.layers.{twin}`.

    Output shape:
        That of `keras.layers.{twin}`.

    Raises:
        ValueError, TypeError: As `keras_eff.layers.PruningMask` and
            `keras.layers.{twin}`.

    Example:

    >>> layer = keras_eff.layers.Prunable{twin}({arguments})
    >>> tuple(layer(np.ones({shape})).shape), layer.pattern
    {prints}
    """


class PrunableLayer(TransformedWeights):
    """A layer of Keras whose kernel can be pruned.

    An abstract base, see `_prunable`.

    `arguments`: dict of arguments for the twin.

    Class attributes:
        twin: Class of the Keras layer.
        channel_axes: Tuple of integers, the axes of its kernel that count its
            output channels.
    """

    twin = None
    channel_axes = (-1,)

    def __init__(self, arguments, schedule, pattern, block_shape):
        step = PruningMask(schedule, pattern, block_shape, self.channel_axes)
        # Without a name it gets one from its class, not from its twin's.
        name = arguments.get("name")
        super().__init__(self.twin(**arguments), [step], name=name)

    @property
    def schedule(self):
        return self.transforms[0].schedule

    @property
    def pattern(self):
        return self.transforms[0].pattern

    @property
    def block_shape(self):
        return self.transforms[0].block_shape

    def get_config(self):
        step = self.transforms[0].get_config()
        ours = {k: step[k] for k in ("schedule", "pattern", "block_shape")}
        return {**self.layer.get_config(), **ours, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        load = keras.saving.deserialize_keras_object
        schedule = load(config["schedule"], custom_objects=custom_objects)
        return cls(**{**config, "schedule": schedule})


def _prunable(twin, sizes, channel_axes=(-1,), **documented):
    """The class of the prunable twin of a layer."""
    signature = _signature(sizes)

    def __init__(self, *args, **kwargs):
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        ours = (given[x] for x in ("schedule", "pattern", "block_shape"))
        arguments = {**{x: given[x] for x in sizes}, **given["kwargs"]}
        PrunableLayer.__init__(self, arguments, *ours)

    lines = [f"{name}: {_SIZES[name]}" for name in sizes]
    attributes = {
        "__doc__": _DOCSTRING.format(
            twin=twin.__name__, sizes="\n        ".join(lines), **documented
        ),
        "__init__": __init__,
        "__module__": __name__,
        "twin": twin,
        "channel_axes": channel_axes,
    }
    __init__.__signature__ = signature
    kind = type(f"Prunable{twin.__name__}", (PrunableLayer,), attributes)
    return keras.saving.register_keras_serializable("keras_eff")(kind)


def _signature(sizes):
    parameter = inspect.Parameter
    places = [parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY]
    return inspect.Signature(
        [
            *(parameter(name, places[0]) for name in ("self", *sizes)),
            parameter("schedule", places[0], default=None),
            parameter("pattern", places[1], default="unstructured"),
            parameter("block_shape", places[1], default=(1, 1)),
            parameter("kwargs", parameter.VAR_KEYWORD),
        ]
    )


PrunableDense = _prunable(
    keras.layers.Dense,
    ["units"],
    blocks="inputs and units",
    arguments='300, activation="relu"',
    shape="(1, 20)",
    prints="((1, 300), 'unstructured')",
)
PrunableConv1D = _prunable(
    keras.layers.Conv1D,
    ["filters", "kernel_size"],
    blocks="input and output channels",
    arguments='8, 3, pattern="2:4"',
    shape="(1, 20, 4)",
    prints="((1, 18, 8), '2:4')",
)
PrunableConv2D = _prunable(
    keras.layers.Conv2D,
    ["filters", "kernel_size"],
    blocks="input and output channels",
    arguments='8, 3, pattern="channel"',
    shape="(1, 9, 9, 4)",
    prints="((1, 7, 7, 8), 'channel')",
)
PrunableDepthwiseConv2D = _prunable(
    keras.layers.DepthwiseConv2D,
    ["kernel_size"],
    channel_axes=(-2, -1),
    blocks="input channels and multiplier",
    arguments='3, padding="same"',
    shape="(1, 9, 9, 4)",
    prints="((1, 9, 9, 4), 'unstructured')",
)
