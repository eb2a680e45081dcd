"""Weight transforms of a layer that is taken apart, carried to its parts."""

from keras_eff.graph.cloning import clone
from keras_eff.layers import TransformedWeights


def with_steps(part, whole, weight):
    """A new layer that sees its kernel through the steps of a weight.

    Args:
        part: New layer, not built, for a part of `whole`.
        whole: The layer that is taken apart.
        weight: String, the attribute of `whole` that becomes the kernel.
    """
    steps = [
        clone(step, weight_name="kernel", **_changes(step, part))
        for step in _steps_of(whole, weight)
    ]
    return TransformedWeights(part, steps) if steps else part


def state_of_steps(whole, weight, reshape=lambda value: value) -> list:
    """The values for the steps of a part, in the order of their variables.

    Args:
        whole: See `with_steps`, as `weight`.
        reshape: Function from a value of the shape of the weight to one of
            the shape of the kernel.
    """
    return [
        reshape(variable) if variable.shape == _shape(whole, step) else variable
        for step in _steps_of(whole, weight)
        for variable in step.variables
    ]


def _steps_of(whole, weight):
    steps = getattr(whole, "transforms", ())
    return [step for step in steps if step.weight_name == weight]


def _shape(whole, step):
    return whole.variable_of(step).shape


def _changes(step, part):
    """The axes of the channels, which another shape has elsewhere."""
    if "channel_axes" not in step.get_config():
        return {}
    is_depthwise = "Depthwise" in type(part).__name__
    return {"channel_axes": (-2, -1) if is_depthwise else (-1,)}
