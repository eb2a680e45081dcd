"""The channels of a model, and what ties them."""

import dataclasses

from keras_eff.channels.channel_call import ChannelCall
from keras_eff.channels.channel_sets import ChannelSets
from keras_eff.channels.layer_dependencies import LayerDependencies
from keras_eff.channels.rules.registry import rule_of
from keras_eff.graph.walk import is_graph
from keras_eff.graph.walk import replay


class ChannelGraph:
    """The channels of a model.

    Attributes:
        sets: `ChannelSets`, which channels go together.
        layers: Dict from the id of an operation to its `LayerDependencies`.
        openings: Dict from the id of the first tensor that a call returns to
            the `Trace` of the call, for calls of layers that were opened.
        originals: Dict from the id of a layer in a `Trace` to the layer of the
            model that it is a copy of.
    """

    def __init__(self, model):
        self.sets = ChannelSets()
        self.layers = {}
        self.openings = {}
        self.originals = {}
        self._channels = {}
        self._entered = {}
        self._whole = None
        for channels in self.walk(model, [None] * len(model.inputs)):
            if channels is not None:
                self.sets.freeze(channels.ids, "the model returns them")

    def walk(self, model, channels: list, whole=None) -> list:
        """The channels of the outputs of a model for those of its inputs."""
        before, self._whole = self._whole, whole or self._whole
        self._channels.update(zip(map(id, model.inputs), channels, strict=True))
        replay(model, model.inputs, self._visit)
        self._whole = before
        return list(map(self._channels_of, model.outputs))

    def original(self, call):
        """The same call of the layer of the model, where that is a copy."""
        known = self.originals.get(id(call.operation), call.operation)
        return dataclasses.replace(call, operation=known)

    def _visit(self, call):
        call = self.original(call)
        call = ChannelCall(
            call.operation,
            call.args,
            call.kwargs,
            call.consumers,
            call.outputs,
            dependencies=self._dependencies_of(call.operation),
            graph=self,
            channels_of=self._channels_of,
        )
        enter = self._enter if is_graph(call.layer) else rule_of(call.layer)
        outputs = zip(map(id, call.outputs), enter(call), strict=True)
        self._channels.update(outputs)
        return call.outputs

    def _dependencies_of(self, operation):
        if id(operation) not in self.layers:
            names = [self._whole.name] if self._whole else []
            name = "_".join([*names, operation.name])
            found = LayerDependencies(operation, name)
            self.layers[id(operation)] = found
        found = self.layers[id(operation)]
        if self._whole and found not in self._whole.parts:
            self._whole.parts.append(found)
        return found

    def _channels_of(self, tensor):
        return self._channels.get(id(tensor))

    def _enter(self, call):
        """A nested model gets the same channels in each of its calls."""
        inputs = call.channels
        before = self._entered.setdefault(id(call.layer), inputs)
        for channels, other in zip(inputs, before, strict=True):
            if channels is None or other is None or channels.axis != other.axis:
                call.freeze(channels, f"{call.name} is shared")
                call.freeze(other, f"{call.name} is shared")
            else:
                self.sets.unite(channels.ids, other.ids)
        return self.walk(call.layer, inputs)
