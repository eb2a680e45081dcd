"""Models without, and with silent, channels."""

import contextlib

import keras
import numpy as np

from keras_eff.channels.graph import ChannelGraph
from keras_eff.channels.layer_dependencies import LayerDependencies
from keras_eff.graph.book import unwrapped
from keras_eff.graph.cloning import clone
from keras_eff.graph.cloning import with_transforms
from keras_eff.graph.rewriter import Rewriter
from keras_eff.graph.walk import copy_bare
from keras_eff.graph.walk import is_graph
from keras_eff.graph.walk import rebuild
from keras_eff.layers import TransformedWeights
from keras_eff.layers.cloning import assign
from keras_eff.layers.cloning import layers_of
from keras_eff.layers.weight_transform import followed_axes


class Cutter(Rewriter):
    """Rebuilds a model without some of its channels."""

    def __init__(self, graph: ChannelGraph, removed: set):
        super().__init__({})
        self.graph = graph
        self.removed = np.array(sorted(removed), int)

    def left(self, ids):
        """Boolean array, which of these channels stay."""
        roots = self.graph.sets.roots(ids)
        return ~np.isin(roots, self.removed)

    def rule(self, call):
        call = self.graph.original(call)
        self.begin(call)
        layer = self.graph.layers[id(call.operation)]
        if is_graph(call.operation):
            return self.nested(call)
        if layer.parts and self._is_cut(layer):
            opening = self.graph.openings[id(call.outputs[0])]
            return self.inlined(opening, call)
        if layer.parts or not (self._is_cut(layer) or layer.changes):
            return self.copy(call)
        return self.cut(call, layer)

    def cut(self, call, layer):
        """Calls the smaller copy of an operation."""
        old = call.operation
        is_new = id(old) not in self._layers
        with _fitting(old):
            outputs = self.replace(call, lambda: self._smaller(layer), None)
        if is_new and isinstance(old, keras.layers.Layer):
            self._carry(layer, old, self._layers[id(old)])
        return outputs

    def _carry(self, layer, old, new):
        """Gives a smaller layer what is left of the state of the old one."""
        values = self._values(layer)
        _check_steps(new, values)
        with _fitting(old):
            assign(new, values)
        parts = (layers_of(x, keras.layers.Layer) for x in (old, new))
        for old_part, new_part in zip(*parts, strict=True):
            new_part.trainable = old_part.trainable

    def clone(self, operation):
        copy = super().clone(operation)
        return self._named(copy, self.graph.layers[id(operation)])

    def _named(self, copy, layer):
        """A part of a layer, with a name that nothing else in the model has."""
        if layer.name != layer.operation.name:
            copy.name = self.unique(layer.name)
        return copy

    def nested(self, call):
        model = call.operation
        shapes = [
            _smaller_shape(old.shape, new.shape)
            for old, new in zip(model.inputs, call.tensors, strict=True)
        ]

        def make():
            smaller = rebuild(model, self.rule, shapes=shapes)
            return self._named(smaller, self.graph.layers[id(model)])

        return self.replace(call, make, None)

    def _is_cut(self, layer):
        own = any(not self.left(ids).all() for ids in layer.cut_ids)
        return own or any(map(self._is_cut, layer.parts))

    def _smaller(self, layer):
        operation = layer.operation
        changes = _arrays_as_zeros(unwrapped(operation))
        for change in layer.changes:
            changes |= change(self.left)
        if self.new_bias(layer) is not None:
            changes["use_bias"] = True
        if isinstance(operation, TransformedWeights):
            chain = [clone(step) for step in operation.transforms]
            copy = with_transforms(operation, chain, **changes)
        elif isinstance(operation, keras.layers.Layer):
            copy = clone(operation, **changes)
        else:
            copy = copy_bare(operation)
            vars(copy).update(changes)
        return self._named(copy, layer)

    def _values(self, layer):
        """The variables of the smaller layer, in their order."""
        inner = unwrapped(layer.operation)
        folded, new_bias = self._folded(layer), self.new_bias(layer)
        values = []
        for variable in layer.operation.variables:
            value = keras.ops.convert_to_numpy(variable)
            for axis, ids in _cuts_of(layer, variable).items():
                value = np.compress(self.left(ids), value, axis)
            if folded is not None and variable is inner.bias:
                value = value + folded
            values.append(value)
            if new_bias is not None and variable is inner.kernel:
                values.append(new_bias)
        return values

    def shape(self, layer, variable):
        """The shape of what is left of a variable, but for new biases."""
        shape = list(variable.shape)
        for axis, ids in _cuts_of(layer, variable).items():
            shape[axis] = int(self.left(ids).sum())
        return shape

    def new_bias(self, layer):
        """The bias of a layer that needs one now, and had none; or None."""
        folded = self._folded(layer)
        if folded is None or unwrapped(layer.operation).bias is not None:
            return None
        return folded

    def _folded(self, layer):
        """What removed inputs add to the bias; None if nothing."""
        fold = layer.fold
        if fold is None:
            return None
        constants = np.where(self.left(fold.ids), 0.0, fold.values)
        if not constants.any():
            return None
        kernel = keras.ops.convert_to_numpy(_as_used(layer, fold.kernel))
        kernel = kernel.astype("float64")
        added = np.tensordot(constants, np.moveaxis(kernel, fold.axis, 0), 1)
        added = added.reshape(-1, added.shape[-1]).sum(0)
        axes = layer.cuts[id(fold.kernel)]
        last = len(fold.kernel.shape) - 1
        return added[self.left(axes[last])] if last in axes else added


def silence(graph: ChannelGraph, removed: set) -> list:
    """What makes some channels of a model zero, or constant.

    Returns: Tuples of a variable, a boolean array of its shape, the entries
    that change, and an array of what they become.
    """
    cutter = Cutter(graph, removed)
    changes = {}
    for layer in graph.layers.values():
        for (key, axis), (variable, held) in layer.zeros.items():
            gone = ~cutter.left(layer.cuts[key][axis])
            if not gone.any():
                continue
            shape = [1] * len(variable.shape)
            shape[axis] = -1
            full = tuple(variable.shape)
            gone = np.broadcast_to(gone.reshape(shape), full)
            held = np.broadcast_to(held.reshape(shape), full)
            if key in changes:
                _, others, before = changes[key]
                held = np.where(others, before, held)
                gone = gone | others
            changes[key] = (variable, gone, held)
    return list(changes.values())


def _as_used(layer, variable):
    """The value that the layer computes with."""
    operation = layer.operation
    if not isinstance(operation, TransformedWeights):
        return variable
    known = list(map(id, operation.layer.variables))
    return operation.transformed_variables()[known.index(id(variable))]


def _smaller_shape(old, new):
    """The shape of an input, open where it was open."""
    if len(old) != len(new):
        return old
    return tuple(
        size if None in (size, left) else left
        for size, left in zip(old, new, strict=True)
    )


def _arrays_as_zeros(layer):
    """Initializers that would make a weight of the old shape, replaced."""
    return {
        name: "zeros"
        for name, value in vars(layer).items()
        if name.endswith("_initializer")
        and isinstance(value, keras.initializers.Constant)
        and np.ndim(value.value)
    }


def _cuts_of(layer: LayerDependencies, variable):
    """The cuts of a variable; of the state of a step, those of its weight."""
    operation = layer.operation
    for step in getattr(operation, "transforms", ()):
        if any(variable is state for state in step.variables):
            cuts = layer.cuts.get(id(operation.variable_of(step)), {})
            followed = followed_axes(step, variable)
            return {
                i: cuts[axis] for i, axis in followed.items() if axis in cuts
            }
    return layer.cuts.get(id(variable), {})


def _check_steps(layer, values):
    """Raises a ValueError if what is left of a step's state does not fit."""
    left = dict(zip(map(id, layer.variables), values, strict=False))
    for step in getattr(layer, "transforms", ()):
        for variable in step.variables:
            shape = left[id(variable)].shape
            if shape != tuple(variable.shape):
                raise ValueError(
                    f"Layer {layer.name!r} cannot lose channels: the state of "
                    "a step of its weights does not follow their axes. Define "
                    f"`{type(step).__name__}.state_axes`, or keep the layer "
                    f"whole with `skip`. Received: a variable of shape {shape}"
                    f" where {tuple(variable.shape)} is left"
                )


@contextlib.contextmanager
def _fitting(operation):
    """Tells what to do where a smaller layer is not what it should be."""
    try:
        yield
    except ValueError as error:
        layer = unwrapped(operation)
        kind = type(layer)
        raise ValueError(
            f"Layer {layer.name!r} cannot be built with fewer channels. See "
            "what `keras_eff.register_layer` says of its class, or keep it "
            "whole with `skip`. Received: "
            f"{kind.__module__}.{kind.__name__}, which raises "
            f"{type(error).__name__}: {error}"
        ) from error
