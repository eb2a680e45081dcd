"""Models without, and with silent, channels."""

import functools

import keras
import numpy as np

from keras_eff.channels.graph import ChannelGraph
from keras_eff.channels.site import Site
from keras_eff.graph.book import unwrapped
from keras_eff.graph.cloning import clone
from keras_eff.graph.cloning import with_transforms
from keras_eff.graph.rewriter import Rewriter
from keras_eff.graph.walk import copy_bare
from keras_eff.graph.walk import is_graph
from keras_eff.graph.walk import rebuild
from keras_eff.layers import TransformedWeights
from keras_eff.layers.cloning import assign
from keras_eff.layers.sublayers import layers_of
from keras_eff.layers.weight_transform import followed_axes


class Cutter(Rewriter):
    """Rebuilds a model without some of its channels.

    Args:
        graph: `ChannelGraph` of the model.
        removed: Set of the channels that go, each the root of its set.
    """

    def __init__(self, graph: ChannelGraph, removed: set):
        super().__init__({})
        self.graph = graph
        self.removed = np.array(sorted(removed), int)

    def left(self, labels):
        """Boolean array, which of these channels stay."""
        roots = self.graph.labels.roots(labels)
        return ~np.isin(roots, self.removed)

    def rule(self, call):
        self.begin(call)
        site = self.graph.sites.get(id(call.operation))
        if is_graph(call.operation):
            return self.nested(call)
        if site is None or not (self._is_cut(site) or site.changes):
            return self.copy(call)
        operation = call.operation
        has_state = isinstance(operation, keras.layers.Layer)
        outputs = self.apply(
            id(operation),
            lambda: self._smaller(site),
            functools.partial(_fill, values=self._values(site))
            if has_state
            else None,
            *call.args,
            **call.kwargs,
        )
        if has_state:
            pair = (operation, self._layers[id(operation)])
            parts = (layers_of(x, keras.layers.Layer) for x in pair)
            for old, new in zip(*parts, strict=True):
                new.trainable = old.trainable
        return outputs

    def nested(self, call):
        model = call.operation
        shapes = [
            _smaller_shape(old.shape, new.shape)
            for old, new in zip(model.inputs, call.tensors, strict=True)
        ]
        return self.apply(
            id(model),
            lambda: rebuild(model, self.rule, shapes=shapes),
            None,
            *call.args,
            **call.kwargs,
        )

    def _is_cut(self, site):
        return any(
            not self.left(labels).all()
            for axes in site.cuts.values()
            for labels in axes.values()
        )

    def _smaller(self, site):
        operation = site.operation
        changes = _arrays_as_zeros(unwrapped(operation))
        for change in site.changes:
            changes |= change(self.left)
        if self.new_bias(site) is not None:
            changes["use_bias"] = True
        if isinstance(operation, TransformedWeights):
            chain = [clone(step) for step in operation.transforms]
            return with_transforms(operation, chain, **changes)
        if isinstance(operation, keras.layers.Layer):
            return clone(operation, **changes)
        copy = copy_bare(operation)
        vars(copy).update(changes)
        return copy

    def _values(self, site):
        """The variables of the smaller layer, in their order."""
        layer = unwrapped(site.operation)
        folded, new_bias = self._folded(site), self.new_bias(site)
        values = []
        for variable in site.operation.variables:
            value = keras.ops.convert_to_numpy(variable)
            for axis, labels in _cuts_of(site, variable).items():
                value = np.compress(self.left(labels), value, axis)
            if folded is not None and variable is layer.bias:
                value = value + folded
            values.append(value)
            if new_bias is not None and variable is layer.kernel:
                values.append(new_bias)
        return values

    def shape(self, site, variable):
        """The shape of what is left of a variable, but for new biases."""
        shape = list(variable.shape)
        for axis, labels in _cuts_of(site, variable).items():
            shape[axis] = int(self.left(labels).sum())
        return shape

    def new_bias(self, site):
        """The bias of a layer that needs one now, and had none; or None."""
        folded = self._folded(site)
        if folded is None or unwrapped(site.operation).bias is not None:
            return None
        return folded

    def _folded(self, site):
        """What removed inputs add to the bias; None if nothing."""
        fold = site.fold
        if fold is None:
            return None
        constants = np.where(self.left(fold.labels), 0.0, fold.values)
        if not constants.any():
            return None
        kernel = keras.ops.convert_to_numpy(_as_used(site, fold.kernel))
        kernel = kernel.astype("float64")
        added = np.tensordot(constants, np.moveaxis(kernel, fold.axis, 0), 1)
        added = added.reshape(-1, added.shape[-1]).sum(0)
        axes = site.cuts[id(fold.kernel)]
        last = len(fold.kernel.shape) - 1
        return added[self.left(axes[last])] if last in axes else added


def silence(graph: ChannelGraph, removed: set) -> list:
    """What makes some channels of a model zero, or constant.

    Returns:
        Tuples of a variable, a boolean array of its shape, the entries that
        change, and an array of what they become.
    """
    cutter = Cutter(graph, removed)
    changes = {}
    for site in graph.sites.values():
        for (key, axis), (variable, held) in site.zeros.items():
            gone = ~cutter.left(site.cuts[key][axis])
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


def _as_used(site, variable):
    """The value that the layer computes with."""
    layer = site.operation
    if not isinstance(layer, TransformedWeights):
        return variable
    known = list(map(id, layer.layer.variables))
    return layer.transformed_variables()[known.index(id(variable))]


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


def _cuts_of(site: Site, variable):
    """The cuts of a variable; of the state of a step, those of its weight."""
    layer = site.operation
    for step in getattr(layer, "transforms", ()):
        if any(variable is state for state in step.variables):
            cuts = site.cuts.get(id(layer.variable_of(step)), {})
            followed = followed_axes(step, variable)
            return {
                i: cuts[axis] for i, axis in followed.items() if axis in cuts
            }
    return site.cuts.get(id(variable), {})


def _fill(layer, values):
    """Gives a smaller layer its weights, and its steps their state."""
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
    assign(layer, values)
