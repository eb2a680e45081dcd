import inspect

import keras

from keras_eff.graph.book import entry_of
from keras_eff.graph.walk import Call
from keras_eff.graph.walk import mask_of


def trace(layer, call: Call) -> tuple:
    """A call of a layer as a model of the layers and operations in it.

    These are what its `call` calls, or the function that it is registered
    with.

    Args:
        layer: Layer of the class of `call.operation`; what it consists of
            becomes part of the model.
        call: The call, its tensors those of another model.

    Returns:
        The model, whose outputs are those of the layer and then their masks;
        the tensors of the other model for it; the outputs of the layer; and
        the mask of each, or None.
    """
    args, kwargs = call.args, dict(call.kwargs)
    opens = entry_of(layer).opens or type(layer).call
    parameters = inspect.signature(opens).parameters
    if "mask" in parameters and kwargs.get("mask") is None:
        kwargs["mask"] = mask_of(call.tensors[0])
    if "training" in parameters:
        # Not the default: that of the model, whenever it is called.
        kwargs["training"] = kwargs.get("training")
    tensors = [
        x
        for x in keras.tree.flatten((args, kwargs))
        if isinstance(x, keras.KerasTensor)
    ]
    inputs = [keras.Input(batch_shape=x.shape, dtype=x.dtype) for x in tensors]
    given = iter(inputs)
    args, kwargs = keras.tree.map_structure(
        lambda x: next(given) if isinstance(x, keras.KerasTensor) else x,
        (args, kwargs),
    )
    outputs = _opened(layer, opens, args, kwargs)
    masks = None
    if kwargs.get("mask") is not None:
        masks = layer.compute_mask(args[0], kwargs["mask"])
    ends = keras.tree.flatten(outputs)
    masks = keras.tree.flatten(masks)
    masks = masks if len(masks) == len(ends) else [None] * len(ends)
    ends += [mask for mask in masks if mask is not None]
    return keras.Model(inputs, ends), tensors, outputs, masks


def check_parts(layer, model) -> None:
    """Raises a ValueError if a layer has weights that its parts have not.

    Args:
        layer: Layer that has been traced.
        model: The model of its parts.
    """
    known = {id(variable) for variable in model.weights}
    own = [v.path for v in layer.weights if id(v) not in known]
    if own:
        raise ValueError(
            "A layer that is registered with `opens` must have all weights in "
            "the layers that the function calls: put others in a layer, and "
            f"register that with `weights`. {_received(layer)} with {own}"
        )


def _opened(layer, opens, args, kwargs):
    try:
        return opens(layer, *args, **kwargs)
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
