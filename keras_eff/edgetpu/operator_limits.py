"""The limits of rules.json, one function for each name.

A function takes an operator and the value that the file gives the limit, and
returns why the operator does not map, or None.
"""

import math
from collections.abc import Callable
from typing import Any

from keras_eff.edgetpu.file_operators import Operator


def no_fused_activation(operator: Operator, _) -> str | None:
    is_fused = operator.option("fusedActivationFunction")
    return "it has a fused activation function" if is_fused else None


def constant_is_padding(operator: Operator, _) -> str | None:
    """A constant input is one of two, and all zeros."""
    constants = [t for t in operator.inputs if t is not None and t.is_constant]
    is_padding = len(operator.inputs) == 2
    if is_padding and all(t.is_all_zeros() for t in constants):
        return None
    reason = "a constant input must be all zeros, beside one other input"
    return reason if constants else None


def same_dilation(operator: Operator, _) -> str | None:
    dilations = [operator.option(f"dilation{side}Factor", 1) for side in "HW"]
    reason = f"its dilations {dilations} differ"
    return reason if len(set(dilations)) > 1 else None


def default_weights_format(operator: Operator, _) -> str | None:
    is_shuffled = operator.option("weightsFormat")
    return "its weights are shuffled" if is_shuffled else None


def one_dimensional_output(operator: Operator, _) -> str | None:
    return _not_one_dimensional("output", operator.output_shape)


def one_dimensional_input(operator: Operator, _) -> str | None:
    return _not_one_dimensional("input", operator.shape(0))


def one_dimensional_alpha(operator: Operator, _) -> str | None:
    alpha = list(operator.shape(1))
    reason = f"its alpha {alpha} must have only its last dimension above 1"
    return reason if any(size != 1 for size in alpha[:-1]) else None


def max_input_elements(operator: Operator, count: int) -> str | None:
    elements = math.prod(operator.shape(0))
    reason = f"its input has {elements:,} elements, at most {count:,} map"
    return reason if elements > count else None


def constant_inputs(operator: Operator, places: list[int]) -> str | None:
    for place in places:
        tensor = operator.input(place)
        if tensor is not None and not tensor.is_constant:
            return f"its input {place} must be a constant"
    return None


def no_reduced_batch(operator: Operator, _) -> str | None:
    is_reduced = 0 in _reduced_axes(operator)
    return "it reduces the batch dimension" if is_reduced else None


def reduced_depth_multiple(operator: Operator, factor: int) -> str | None:
    shape = operator.shape(0)
    if len(shape) - 1 in _reduced_axes(operator) and shape[-1] % factor:
        return f"the depth it reduces, {shape[-1]}, is no multiple of {factor}"
    return None


def axis_is_not_batch(operator: Operator, _) -> str | None:
    return _along_batch(operator.option("axis"), len(operator.output_shape))


def split_axis_is_not_batch(operator: Operator, _) -> str | None:
    axes = _integers(operator, 0)
    return _along_batch(axes[0], len(operator.shape(1))) if axes else None


def no_padded_batch(operator: Operator, _) -> str | None:
    is_padded = any(_integers(operator, 1)[:2])
    return "it pads the batch dimension" if is_padded else None


def unit_strides(operator: Operator, _) -> str | None:
    strides = _integers(operator, 3)
    reason = f"its strides {strides} must be 1"
    return None if set(strides) <= {1} else reason


def no_ellipsis_or_new_axis(operator: Operator, _) -> str | None:
    has_one = operator.option("ellipsisMask") or operator.option("newAxisMask")
    return "it has an ellipsis or a new axis" if has_one else None


def _not_one_dimensional(end, shape):
    reason = f"its {end} {list(shape)} must have one dimension above 1"
    return reason if sum(size != 1 for size in shape) > 1 else None


def _reduced_axes(operator):
    rank = max(len(operator.shape(0)), 1)
    return {axis % rank for axis in _integers(operator, 1)}


def _along_batch(axis, rank):
    is_along = axis % max(rank, 1) == 0
    return "it works along the batch dimension" if is_along else None


def _integers(operator, place):
    """The values of an input; none if the file does not hold them."""
    tensor = operator.input(place)
    return (None if tensor is None else tensor.integers()) or []


LIMITS: dict[str, Callable[[Operator, Any], str | None]] = {
    limit.__name__: limit
    for limit in (
        no_fused_activation,
        constant_is_padding,
        same_dilation,
        default_weights_format,
        one_dimensional_output,
        one_dimensional_input,
        one_dimensional_alpha,
        max_input_elements,
        constant_inputs,
        no_reduced_batch,
        reduced_depth_multiple,
        axis_is_not_batch,
        split_axis_is_not_batch,
        no_padded_batch,
        unit_strides,
        no_ellipsis_or_new_axis,
    )
}
