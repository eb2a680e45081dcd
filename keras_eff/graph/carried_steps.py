"""Weight transforms of a layer that is taken apart, carried to its parts."""

import math

from keras import ops

from keras_eff.graph.book import unwrapped
from keras_eff.graph.book import weight_of
from keras_eff.graph.cloning import clone
from keras_eff.layers import TransformedWeights
from keras_eff.layers.cloning import assign


def with_steps(part, whole, weight):
    """A new layer that sees its kernel through the steps of a weight."""
    steps = [
        clone(step, weight_name="kernel", **_changes(step, part))
        for step in _steps_of(whole, weight)
    ]
    return TransformedWeights(part, steps) if steps else part


def filled(whole, weight, values):
    """A function that gives a part its weights and the state of its steps."""

    def fill(part):
        assign(unwrapped(part), values)
        steps = getattr(part, "transforms", ())
        for old, new in zip(_steps_of(whole, weight), steps, strict=True):
            _carry(old, new, whole)

    return fill


def _carry(old, new, whole):
    """What lies along the weight takes the shape that the weight has now."""
    for value, variable in zip(old.variables, new.variables, strict=True):
        if math.prod(value.shape) != math.prod(variable.shape):
            raise ValueError(
                f"Layer {whole.name!r} cannot be taken apart: the state of a "
                "step of its weights does not fit the part. Leave the layer as "
                f"it is with `skip`. Received: {type(old).__name__} with a "
                f"variable of shape {tuple(value.shape)}, which would be "
                f"{tuple(variable.shape)}"
            )
        variable.assign(ops.reshape(value, variable.shape))


def _steps_of(whole, weight):
    steps = getattr(whole, "transforms", ())
    return [step for step in steps if step.weight_name == weight]


def _changes(step, part):
    """The axes of the channels, which another shape has elsewhere."""
    if "channel_axes" not in step.get_config():
        return {}
    return {"channel_axes": weight_of(part).outputs}
