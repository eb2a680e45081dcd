import keras

from keras_eff.layers.pruning_mask import PruningMask
from keras_eff.layers.transformed_weights import TransformedWeights


class PrunableLayer(TransformedWeights):
    """A layer of Keras whose kernel can be pruned.

    An abstract base: a subclass sets `twin` and `channel_axes` and names the
    arguments of its twin that come before `schedule`.

    Args:
        arguments: Dict of arguments for the twin.
        schedule: See `keras_eff.layers.PruningMask`, as `pattern` and
            `block_shape`.

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
