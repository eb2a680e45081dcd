import inspect

import keras
from keras import ops

from keras_eff.graph import book
from keras_eff.graph import walk
from keras_eff.layers.set_mask import SetMask


def expand_time_distributed(call, rewriter):
    """Calls the inner layer once, with all steps as one batch.

    A dense layer takes any number of axes as it is. What has no kernel of
    integers, or would see another mask or state, stays as it was. In
    training, a batch normalization inside then sees all steps at once.
    """
    layer, tensor = call.operation, call.args[0]
    is_flat = book.is_dense(layer.layer)
    if not is_flat and not _is_opened(call):
        return rewriter.copy(call)
    inner = rewriter.copied(call).layer
    if not rewriter.is_part(inner) and not walk.is_graph(inner):
        name = rewriter.inherited(layer)
        inner.name = name if is_flat else f"{name}_{inner.name}"
    shape = tensor.shape if is_flat else (None, *tensor.shape[2:])
    step = keras.Input(batch_shape=shape, dtype=tensor.dtype)
    model = keras.Model(step, inner(step))
    rewriter.adopt(model, layer)
    if is_flat:
        return walk.replay(model, [tensor], rewriter.rule)
    outputs = walk.replay(model, [_flat(tensor, shape)], rewriter.rule)
    outputs = ops.reshape(outputs, (-1, tensor.shape[1], *outputs.shape[1:]))
    rewriter.named(rewriter.unique(f"{layer.name}_steps"), outputs)
    return _with_mask(outputs, walk.mask_of(tensor), layer, rewriter)


def _is_opened(call):
    inner = call.operation.layer
    heeds_mask = "mask" in inspect.signature(inner.call).parameters
    return not (
        book.kind_of(inner) == "unknown"
        or None in call.args[0].shape[1:]
        or getattr(inner, "stateful", False)
        or (call.is_masked and heeds_mask)
    )


def _flat(tensor, shape):
    """The steps as one batch; what was one before is not taken apart."""
    maker = walk.producer(tensor)
    if book.kind_of(maker) == "reshape" and maker.input.shape == shape:
        return maker.input
    return ops.reshape(tensor, (-1, *shape[1:]))


def _with_mask(outputs, mask, layer, rewriter):
    if mask is None:
        return outputs
    name = rewriter.unique(f"{layer.name}_mask")
    return SetMask(name=name, dtype=outputs.dtype)([outputs, mask])
