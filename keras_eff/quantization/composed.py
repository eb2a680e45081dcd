"""Layers that are composed of others, taken apart."""

from keras_eff.graph.book import kind_of
from keras_eff.graph.walk import producer
from keras_eff.layers.set_mask import SetMask


def cancel_flip(call, rewriter):
    """No flip where the tensor has just been flipped: a bidirectional layer
    turns back what its backward half has turned."""
    tensor = call.args[0]
    if isinstance(producer(tensor), SetMask):
        tensor = producer(tensor).input[0]
    maker = producer(tensor)
    if kind_of(maker) == "flip" and maker.axis == call.operation.axis:
        return maker.input
    return rewriter.copy(call)


def drop_cast(call, rewriter):
    """No cast to the type that the tensor has."""
    if call.args[0].dtype == call.operation.dtype:
        return call.args[0]
    return rewriter.copy(call)
