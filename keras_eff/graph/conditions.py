"""When an entry of the book holds: predicates on a layer or bare operation."""

import math
import numbers


def is_stateless(layer) -> bool:
    return not getattr(layer, "stateful", False)


def is_over_last_axis(layer) -> bool:
    """Of a softmax, or a built normalization."""
    if layer.axis == -1:
        return True
    spec = getattr(layer, "input_spec", None)
    rank = spec.ndim if spec is not None and layer.built else None
    return rank == layer.axis + 1


def has_usual_interpolation(operation) -> bool:
    """Whether a resizing has a kernel of TFLite."""
    extras = ("antialias", "pad_to_aspect_ratio")
    return operation.interpolation in ("nearest", "bilinear") and not any(
        getattr(operation, name, False) for name in extras
    )


def pads_with_a_constant(operation) -> bool:
    return operation.mode == "constant"


def has_zero_between(clip) -> bool:
    low, high = clip_bounds(clip)
    are_numbers = all(isinstance(x, numbers.Real) for x in (low, high))
    return are_numbers and low <= 0 <= high and low < high


def clip_bounds(operation) -> tuple:
    """The smallest and the largest value that a "clip" or "relu" returns."""
    function = getattr(operation, "activation", operation)
    name = getattr(function, "__name__", type(function).__name__)
    if name == "Clip":
        return operation.x_min, operation.x_max
    if name in ("HardTanh", "hard_tanh"):
        return -1.0, 1.0
    is_relu6 = name in ("Relu6", "relu6")
    largest = 6.0 if is_relu6 else getattr(operation, "max_value", None)
    return 0.0, math.inf if largest is None else largest
