import itertools

import keras

from keras_eff.graph.book import entry_of
from keras_eff.graph.book import kind_of
from keras_eff.graph.cloning import clone
from keras_eff.graph.selection import operations
from keras_eff.graph.trace import check_parts
from keras_eff.graph.trace import trace
from keras_eff.graph.trace import traced_tensors
from keras_eff.graph.walk import calls
from keras_eff.graph.walk import is_graph
from keras_eff.graph.walk import producer
from keras_eff.graph.walk import rebuild
from keras_eff.graph.walk import replay
from keras_eff.layers.cloning import assign
from keras_eff.layers.cloning import copy_state
from keras_eff.layers.set_mask import SetMask


class Rewriter:
    """Rebuilds a model by rules, one for each kind of operation.

    `rules`: dict from a kind (see `book.kind_of`) to a function of a
    `graph.Call` and this rewriter, which returns the outputs of the call in the
    new model. An operation of another kind is copied. `keeps`: predicate on an
    operation: those are copied whatever the rules.

    Attributes:
        kept: Set of the copies of operations that `keeps` chose.
        origins: Dict from each new layer to the operation of the old model
            that it stands for, or is a part of.
    """

    def __init__(self, rules, keeps=lambda operation: False):
        self.rules = rules
        self.keeps = keeps
        self.kept = set()
        self.origins = {}
        self._layers = {}
        self._names = set()
        self._replaced = set()
        self._wholes = {}
        self._origin = None

    def rewrite(self, model, **ends):
        """A new model; nested models are rewritten too, and stay nested."""
        self._names |= {node.operation.name for node, _ in calls(model)}
        return rebuild(model, self.rule, **ends)

    def rule(self, call):
        self.begin(call)
        if self.keeps(call.operation):
            outputs = self.copy(call)
            self.kept.add(self._layers[id(call.operation)])
            return outputs
        kind = kind_of(call.operation)
        if kind == "model":
            return self.nested(call)
        return self.rules.get(kind, _copy)(call, self)

    def begin(self, call):
        """Notes the call that the layers to come stand for."""
        self._origin = self._whole(call.operation)

    def nested(self, call):
        return self.replace(call, lambda: self.rewrite(call.operation), None)

    def opened(self, call):
        """What a composed layer computes, layer by layer, operation by
        operation."""
        layer, copy = call.operation, self.copied(call)
        opening = trace(copy, call)
        if entry_of(layer).opens:
            check_parts(copy, opening.model)
            self._name_parts(layer, opening.model)
        self.adopt(opening.model, layer)
        return self.inlined(opening, call)

    def inlined(self, opening, call):
        """What the `Trace` of a call computes, in the place of the call."""
        new = replay(opening.model, traced_tensors(call), self.rule)
        count = len(opening.masks)
        outputs, masks_left = new[:count], iter(new[count:])
        for index, mask in enumerate(opening.masks):
            if mask is not None:
                name = self.unique(f"{call.operation.name}_mask")
                carry = SetMask(name=name, dtype=outputs[index].dtype)
                outputs[index] = carry([outputs[index], next(masks_left)])
        return keras.tree.pack_sequence_as(opening.outputs, outputs)

    def _name_parts(self, layer, model):
        """Names layers after the one that they are parts of, just once.

        Blocks of a class may give theirs the same names.
        """
        for part, _ in operations(model):
            is_new = part not in self._wholes
            if is_new and isinstance(part, keras.layers.Layer):
                part.name = self.unique(f"{layer.name}_{part.name}")

    def copied(self, call):
        """The copy of a layer that is to be taken apart.

        In a copy, the old layer does not become part of another model.
        """
        self.copy(call)
        return self._layers[id(call.operation)]

    def adopt(self, model, layer):
        """Notes that the operations of a model are the parts of a layer."""
        parts = [operation for operation, _ in operations(model)]
        self._names |= {part.name for part in parts}
        self._wholes |= dict.fromkeys(parts, self._whole(layer))

    def is_part(self, operation):
        return operation in self._wholes

    def copy(self, call):
        """Calls the clone of the operation; a shared layer stays shared."""
        operation = call.operation
        # The layers of a nested model have been copied one by one.
        is_bare = not isinstance(operation, keras.layers.Layer)
        carry = None if is_bare or is_graph(operation) else copy_state
        return self.replace(call, lambda: self.clone(operation), carry)

    def replace(self, call, make, carry):
        """Calls the layer in the place of that of a call, made just once.

        `make`: function that returns the new layer. `carry`: function of the
        old layer and the new one, which has been called, that gives it its
        state; or None.
        """
        key = id(call.operation)
        is_new = key not in self._layers
        outputs = self.apply(key, make, None, *call.args, **call.kwargs)
        if is_new and carry is not None:
            carry(call.operation, self._layers[key])
        return outputs

    def clone(self, operation):
        if is_graph(operation):
            return rebuild(operation, self.copy)
        return clone(operation)

    def apply(self, key, make, weights, /, *args, **kwargs):
        """Calls the layer known by `key`, made and given weights just once.

        `weights` are assigned in order, or are a function that fills the
        layer; None leaves what `make` gave.
        """
        if key in self._layers:
            return self._layers[key](*args, **kwargs)
        origin = self._origin
        layer = self._layers[key] = make()
        self.origins[layer] = origin
        outputs = layer(*args, **kwargs)
        if callable(weights):
            weights(layer)
        elif weights is not None:
            assign(layer, weights)
        return outputs

    def _whole(self, operation):
        """The layer of the old model that an operation is a part of."""
        return self._wholes.get(operation, operation)

    def unique(self, name):
        """The name, numbered if an operation has it."""
        names = (f"{name}_{i}" if i else name for i in itertools.count())
        chosen = next(n for n in names if n not in self._names)
        self._names.add(chosen)
        return chosen

    def inherited(self, operation):
        """The name of an operation for the one that takes its place."""
        if operation in self._replaced:
            return self.unique(operation.name)
        self._replaced.add(operation)
        return operation.name

    def named(self, name, tensor):
        """The tensor; the operation that made it gets the name."""
        producer(tensor).name = name
        return tensor


def open_registered(model, keeps=lambda operation: False):
    """The model with the layers open that are registered with a function."""
    if not any(entry_of(layer).opens for layer, _ in operations(model)):
        return model
    return Rewriter({"composed": _open}, keeps).rewrite(model)


def open_composed(call, rewriter):
    """The rule that takes layers apart, see `Rewriter.opened`."""
    return rewriter.opened(call)


def _open(call, rewriter):
    is_registered = entry_of(call.operation).opens
    return rewriter.opened(call) if is_registered else rewriter.copy(call)


def _copy(call, rewriter):
    return rewriter.copy(call)
