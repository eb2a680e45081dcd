import inspect

import keras

from keras_eff.graph.walk import Call
from keras_eff.graph.walk import mask_of


def trace(layer, call: Call) -> tuple:
    """A call of a layer as a model of the layers and operations in it.

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
    parameters = inspect.signature(layer.call).parameters
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
    outputs = layer.call(*args, **kwargs)
    masks = None
    if kwargs.get("mask") is not None:
        masks = layer.compute_mask(args[0], kwargs["mask"])
    ends = keras.tree.flatten(outputs)
    masks = keras.tree.flatten(masks)
    masks = masks if len(masks) == len(ends) else [None] * len(ends)
    ends += [mask for mask in masks if mask is not None]
    return keras.Model(inputs, ends), tensors, outputs, masks
