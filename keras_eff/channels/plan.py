"""What is cut from a model, before it is."""

import contextlib
import dataclasses
import functools
import math

import keras
import numpy as np

from keras_eff.channels import cut
from keras_eff.channels.graph import ChannelGraph
from keras_eff.channels.groups import ChannelGroup
from keras_eff.graph.walk import is_graph
from keras_eff.table import format_table

_COLUMNS = {
    "group": "",
    "channels": "d",
    "kept": "d",
    "stays because": "",
    "layers": "",
}


@dataclasses.dataclass(frozen=True)
class ChannelPlan:
    """The channels of a model that `keras_eff.remove_channels` removes.

    Made by `keras_eff.plan_channels`. Printed, it is a table of the groups of
    channels that can only go together: their layers, how many channels there
    are, how many stay, and why some always do; then what of the model nothing
    can go of, and which layers are in no count of products.

    Attributes:
        model: The model that was planned for.
        groups: Tuple of `ChannelGroup`, in the order of the model.
        graph: What ties the channels.
        removed: Set of the channels that go.
    """

    model: keras.Model
    groups: tuple[ChannelGroup, ...]
    graph: ChannelGraph
    removed: frozenset

    def remove(self) -> keras.Model:
        """Returns the smaller model, not compiled, with what is left."""
        return cut.Cutter(self.graph, set(self.removed)).rewrite(self.model)

    @contextlib.contextmanager
    def masked(self):
        """Makes the channels that go zero in `model` itself, for a while.

        The model computes then what the smaller one does.
        """
        changes = cut.silence(self.graph, set(self.removed))
        values = [keras.ops.convert_to_numpy(v) for v, _, _ in changes]
        for (variable, gone, held), value in zip(changes, values, strict=True):
            variable.assign(np.where(gone, held, value))
        try:
            yield self.model
        finally:
            for (variable, *_), value in zip(changes, values, strict=True):
                variable.assign(value)

    def num_kept(self, group: ChannelGroup) -> int:
        """How many channels of a group stay."""
        gone = sum(root in self.removed for root in group.roots)
        return group.num_channels - gone

    @functools.cached_property
    def num_parameters(self) -> int:
        """Weights of the smaller model."""
        biases = map(self._cutter.new_bias, self._layers)
        return sum(len(bias) for bias in biases if bias is not None) + sum(
            self._size(layer, variable)
            for layer in self._layers
            for variable in layer.operation.weights
        )

    @functools.cached_property
    def left(self) -> tuple[tuple[str, float, str], ...]:
        """The layers of which nothing can go, the largest first.

        Of each the name, its share of the weights of `model`, and the reason.
        """
        whole = dataclasses.replace(self, removed=frozenset())
        found = []
        for layer in self._layers:
            weights, reason = layer.operation.weights, self._reason(layer)
            if weights and reason is not None:
                size = sum(math.prod(weight.shape) for weight in weights)
                share = size / whole.num_parameters
                found.append((layer.name, share, reason))
        return tuple(sorted(found, key=lambda row: -row[1]))

    @functools.cached_property
    def without_macs(self) -> tuple[str, ...]:
        """The layers with kernels whose products `num_macs` does not count."""
        return tuple(
            layer.name
            for layer in self._layers
            if layer.reason is not None
            # One of a single axis scales or shifts: no matrix of products.
            and any(len(weight.shape) > 1 for weight in layer.operation.weights)
        )

    def _reason(self, layer):
        """Why nothing of a layer can go; None if something can."""
        # Those that begin here tell more than those that come in.
        ids = [np.array([], int), *layer.outputs.values(), *layer.cut_ids]
        reasons = self.graph.sets.reasons(np.concatenate(ids)).values()
        if None in reasons:
            return None
        return layer.reason or next(iter(reasons), "it has no channels")

    @functools.cached_property
    def num_macs(self) -> int:
        """Products of a weight in one sample, of the smaller model.

        Those of weights alone: not those of two activations, as in attention;
        none of the layers in `without_macs`.
        """
        return sum(
            count * self._size(layer, kernel)
            for layer in self._layers
            for kernel, count in layer.uses.values()
        )

    @functools.cached_property
    def _layers(self):
        return [
            layer
            for layer in self.graph.layers.values()
            if isinstance(layer.operation, keras.layers.Layer)
            # Their parts are layers of their own.
            and not (layer.parts or is_graph(layer.operation))
        ]

    def _size(self, layer, variable):
        return math.prod(self._cutter.shape(layer, variable))

    @functools.cached_property
    def _cutter(self):
        return cut.Cutter(self.graph, set(self.removed))

    def __str__(self):
        rows = (
            (
                group.name,
                group.num_channels,
                self.num_kept(group),
                group.reason,
                _shortened(group.layers),
            )
            for group in self.groups
        )
        lines = [format_table(_COLUMNS, rows)]
        whole = dataclasses.replace(self, removed=frozenset())
        total = (
            f"parameters {self.num_parameters:,} of {whole.num_parameters:,}, "
            f"MACs {self.num_macs:,} of {whole.num_macs:,}"
        )
        lines.append(total)
        if self.left:
            share = sum(share for _, share, _ in self.left)
            lines.append(f"left whole, {share:.1%} of the parameters:")
            lines += [f"  {row}" for row in rows_of(self.left)]
        if self.without_macs:
            names = _shortened(self.without_macs)
            lines.append(f"MACs do not count those of: {names}")
        return "\n".join(lines)


def rows_of(left, most=8) -> list[str]:
    """What is left of a model, a line for each layer."""
    rows = [f"{name} {share:.1%}: {reason}" for name, share, reason in left]
    more = len(rows) - most
    return [*rows[:most], f"and {more} more"] if more > 0 else rows


def _shortened(names, most=3):
    more = len(names) - most
    listed = ", ".join(names[:most])
    return f"{listed} and {more} more" if more > 0 else listed
