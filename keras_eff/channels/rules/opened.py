"""Channels in layers that consist of others, such as a user's block."""

import keras

from keras_eff.channels.rules.registry import rule
from keras_eff.channels.rules.registry import whole
from keras_eff.graph.cloning import clone
from keras_eff.graph.trace import check_parts
from keras_eff.graph.trace import trace
from keras_eff.graph.trace import traced_tensors
from keras_eff.layers.cloning import layers_of


@rule
def opened(call):
    """Through the layers and operations that the layer calls."""
    if call.operation is not call.layer:
        return whole(call, f"{call.name} sees its weights through steps")
    key = id(call.outputs[0])
    if key not in call.graph.openings:
        call.graph.openings[key] = _opening(call)
    model = call.graph.openings[key].model
    channels = list(map(call.channels_of, traced_tensors(call)))
    ends = call.graph.walk(model, channels, call.dependencies)
    return ends[: len(call.outputs)]


def _opening(call):
    copy = _copy(call)
    opening = trace(copy, call)
    check_parts(copy, opening.model)
    pairs = (layers_of(x, keras.layers.Layer) for x in (copy, call.layer))
    originals = {id(new): old for new, old in zip(*pairs, strict=True)}
    call.graph.originals.update(originals)
    return opening


def _copy(call):
    """A built copy, so that the layer does not become part of another model."""
    copy = clone(call.layer)
    called = call.replaced(
        lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype)
    )
    copy(*called.args, **called.kwargs)
    return copy
