"""Channels in layers that consist of others, such as a user's block."""

import keras

from keras_eff.channels.rules.registry import rule
from keras_eff.channels.rules.registry import whole
from keras_eff.graph.cloning import clone
from keras_eff.graph.trace import trace
from keras_eff.graph.trace import traced_tensors
from keras_eff.layers.sublayers import layers_of


@rule
def opened(call):
    """Through the layers and operations that the layer calls."""
    try:
        copy = _copy(call)
        opening = trace(copy, call)
    except Exception as error:
        # Any code of a user's may be in there.
        return whole(call, f"{call.name} cannot be opened: {error}")
    if call.operation is not call.layer or not _is_all(opening, copy):
        reason = "computes with weights that are not those of layers inside"
        return whole(call, f"{call.name} {reason}")
    pairs = zip(*map(_layers, (copy, call.layer)), strict=True)
    call.graph.originals.update((id(new), old) for new, old in pairs)
    call.graph.openings[id(call.outputs[0])] = opening
    channels = list(map(call.channels_of, traced_tensors(call)))
    ends = call.graph.walk(opening.model, channels, call.dependencies)
    return ends[: len(call.outputs)]


def _copy(call):
    """A built copy, so that the layer does not become part of another model."""
    copy = clone(call.layer)
    called = call.replaced(
        lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype)
    )
    copy(*called.args, **called.kwargs)
    return copy


def _is_all(opening, copy):
    """Whether each variable of a layer is one of its parts'."""
    known = set(map(id, opening.model.variables))
    return known.issuperset(map(id, copy.variables))


def _layers(layer):
    return layers_of(layer, keras.layers.Layer)
