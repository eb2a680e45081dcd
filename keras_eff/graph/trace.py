import dataclasses
import inspect
from typing import Any

import keras

from keras_eff.graph.book import entry_of
from keras_eff.graph.walk import Call
from keras_eff.graph.walk import mask_of


@dataclasses.dataclass(frozen=True)
class Trace:
    """A call of a layer as a model of the layers and operations in it.

    Attributes:
        model: `keras.Model` of what `traced_tensors` returns for the call,
            whose outputs are those of the layer, and then their masks.
        outputs: What the layer returns, of which the structure counts.
        masks: List of the mask of each output, or None.
    """

    model: keras.Model
    outputs: Any
    masks: list


def trace(layer, call: Call) -> Trace:
    """What a layer calls: by its `call`, or what it is registered with."""
    inputs = [
        keras.Input(batch_shape=x.shape, dtype=x.dtype)
        for x in traced_tensors(call)
    ]
    given = iter(inputs)
    call = _complete(call).replaced(lambda _: next(given))
    outputs = _opened(layer, call)
    mask = call.kwargs.get("mask")
    mask = next(given, None) if mask is None else mask
    masks = None if mask is None else layer.compute_mask(call.args[0], mask)
    ends = keras.tree.flatten(outputs)
    masks = keras.tree.flatten(masks)
    masks = masks if len(masks) == len(ends) else [None] * len(ends)
    ends += [mask for mask in masks if mask is not None]
    return Trace(keras.Model(inputs, ends), outputs, masks)


def traced_tensors(call: Call) -> list:
    """What a call gives to the model of its trace: tensors, and the mask."""
    call = _complete(call)
    mask = mask_of(call.tensors[0])
    is_passed_on = call.operation.supports_masking and mask is not None
    if is_passed_on and call.kwargs.get("mask") is None:
        return [*call.tensors, mask]
    return call.tensors


def check_parts(layer, model) -> None:
    """Raises a ValueError if a layer has weights that its parts have not."""
    known = {id(variable) for variable in model.weights}
    own = [v.path for v in layer.weights if id(v) not in known]
    if own:
        raise ValueError(
            "A layer that is registered with `opens` must have all weights in "
            "the layers that the function calls: put others in a layer, and "
            f"register that with `weights`. {_received(layer)} with {own}"
        )


def _complete(call):
    """The call with the mask and the mode that Keras would pass on."""
    parameters = inspect.signature(_opens(call.operation)).parameters
    given = dict(call.kwargs)
    if "mask" in parameters and given.get("mask") is None:
        given["mask"] = mask_of(call.tensors[0])
    if "training" in parameters:
        # Not the default: that of the model, whenever it is called.
        given["training"] = given.get("training")
    return dataclasses.replace(call, kwargs=given)


def _opens(layer):
    return entry_of(layer).opens or type(layer).call


def _opened(layer, call):
    try:
        return _opens(layer)(layer, *call.args, **call.kwargs)
    except Exception as error:
        raise ValueError(
            "What opens a layer must be a function of the layer and of what "
            "it is called with, made of Keras layers and `keras.ops` alone. "
            f"{_received(layer)}, where it raises {type(error).__name__}: "
            f"{error}"
        ) from error


def _received(layer):
    kind = f"{type(layer).__module__}.{type(layer).__name__}"
    return f"Received: layer {layer.name!r} of {kind}"
