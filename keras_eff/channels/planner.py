"""Plans for any sparsity, of what was looked at just once."""

from collections.abc import Mapping

import numpy as np

from keras_eff.arguments import read_choice
from keras_eff.channels import choice
from keras_eff.channels import saliency as saliencies
from keras_eff.channels.graph import ChannelGraph
from keras_eff.channels.groups import groups_of
from keras_eff.channels.plan import ChannelPlan
from keras_eff.channels.silent import silent
from keras_eff.graph.selection import selector


class Planner:
    """Makes plans for a model.

    Attributes:
        groups: List of `ChannelGroup`, those of which something may go.
    """

    def __init__(
        self, model, saliency, scope, limits, skip, dataset, graph=None
    ):
        self._model = model
        self._scope = scope
        self._limits = limits
        self._graph = graph or ChannelGraph(model)
        self._all = tuple(groups_of(self._graph))
        function = _function(saliency, scope, model, self._graph, dataset)
        is_skipped = selector(model, skip)
        skipped = {
            root
            for layer in self._graph.layers.values()
            if is_skipped(layer.operation)
            for channels in _channels_of(layer)
            for root in self._graph.sets.roots(channels)
        }
        scored = [
            (group, saliencies.scores_of(group, function))
            for group in self._all
            if len(group.roots) and skipped.isdisjoint(group.roots)
        ]
        known = [pair for pair in scored if pair[1] is not None]
        self.groups = [group for group, _ in known]
        self._scores = [scores for _, scores in known]

    def plan(self, sparsity, gone=frozenset()) -> ChannelPlan:
        """The plan for a share, or for a dict of shares by layer.

        None for the channels whose weights are all zero. Channels that are
        `gone` already go in any case, and before others.
        """
        chosen = (self.groups, self._scores)
        if gone:
            chosen = (self.groups, self._scores_with(gone))
        if sparsity is None:
            removed = choice.empty(self.groups, self._limits)
        elif self._scope == "global":
            removed = choice.globally(*chosen, sparsity, self._limits)
        else:
            shares = self._shares(sparsity)
            removed = choice.by_layer(*chosen, shares, self._limits)
        return ChannelPlan(
            self._model, self._all, self._graph, frozenset(removed)
        )

    def silent(self) -> frozenset:
        """The channels that can go and are silent already.

        A layer of which all is zero was made so: none of it is silent.
        """
        found = set()
        for group in self.groups:
            of_group = silent(self._graph, group.roots)
            if len(of_group) < len(group.roots):
                found |= of_group
        return frozenset(found)

    def _scores_with(self, gone):
        """What goes in any case is worth less than anything."""
        gone = list(gone)
        return [
            np.where(np.isin(group.roots, gone), -np.inf, scores)
            for group, scores in zip(self.groups, self._scores, strict=True)
        ]

    def _shares(self, sparsity):
        if not isinstance(sparsity, Mapping):
            return [sparsity] * len(self.groups)
        known = {name for group in self.groups for name in group.layers}
        for name in sparsity:
            if name not in known:
                raise ValueError(
                    "Argument `sparsity` must name layers with channels that "
                    f"can go. Received: {name!r}; model {self._model.name!r} "
                    f"has {sorted(known)}"
                )
        return [
            max((sparsity.get(name, 0.0) for name in group.layers), default=0.0)
            for group in self.groups
        ]


def _channels_of(layer):
    """Those that begin in a layer, or else pass through its weights."""
    of_parts = [ids for part in layer.parts for ids in _channels_of(part)]
    return of_parts or [*layer.outputs.values()] or layer.cut_ids


def _function(saliency, scope, model, graph, dataset):
    if callable(saliency):
        return saliency
    if saliency != "taylor":
        choices = (*saliencies.BY_NAME, "taylor")
        read_choice("saliency", saliency, choices, also="or a function")
        function = saliencies.BY_NAME[saliency]
        if scope == "global" and saliency in ("l1", "l2"):
            return saliencies.relative(function)
        return function
    if dataset is None or getattr(model, "loss", None) is None:
        raise ValueError(
            'With saliency="taylor", `dataset` must be given, and the model '
            f"compiled with a loss. Received: dataset={type(dataset).__name__}"
            f", loss={getattr(model, 'loss', None)!r}"
        )
    return saliencies.Taylor(model, graph, dataset)
