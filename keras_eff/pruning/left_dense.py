"""What `prune` leaves dense, and how much of the model that is."""

import dataclasses
import math
import warnings

import keras
from absl import logging

from keras_eff.graph.book import is_changed
from keras_eff.graph.book import is_kernel
from keras_eff.graph.book import unknown_class
from keras_eff.graph.register_layer import how_to_register
from keras_eff.graph.selection import operations
from keras_eff.graph.walk import is_graph
from keras_eff.layers import PruningMask
from keras_eff.layers import TransformedWeights
from keras_eff.layers.cloning import layers_of

# From which share on what is left by default was not thin.
_LARGE = 0.25


@dataclasses.dataclass(frozen=True)
class LeftDense:
    """Weights of one layer that stay dense.

    Attributes:
        name: The name of the layer.
        reason: Why.
        share: Their share of all weights of two axes or more, in [0, 1].
        is_asked: Whether the caller, or the default, left them.
        unknown: The class of the layer, if nothing is known of it; or None.
    """

    name: str
    reason: str
    share: float
    is_asked: bool
    unknown: str | None

    def __str__(self):
        return f"{self.name} ({self.reason}; a share of {self.share:.3f})"


def left_dense(model, chosen, unfit) -> list[LeftDense]:
    """What stays dense in a model that `prune` has made."""
    total, rows = 0, []
    for layer in _layers(model):
        masked = masked_ids(layer)
        weights = [v for v in layer.weights if is_kernel(v)]
        sizes = {id(v): math.prod(v.shape) for v in weights}
        total += sum(sizes.values())
        left = sum(n for key, n in sizes.items() if key not in masked)
        if left:
            rows.append((layer, left))
    return [
        LeftDense(
            layer.name,
            chosen.get(layer.name) or unfit.get(layer.name) or why_dense(layer),
            left / total,
            layer.name in chosen,
            unknown_class(layer),
        )
        for layer, left in rows
    ]


def tell(rows, is_default) -> None:
    """One warning of what stays dense, unless the caller asked for it.

    What stays so by default, thin as it is, is logged.
    """
    unable = [row for row in rows if not row.is_asked]
    told = rows if is_default else unable
    if not told:
        return
    share = sum(row.share for row in told)
    message = (
        f"prune: a share of {share:.3f} of the weights stays dense: "
        f"{', '.join(map(str, told))}"
        f"{how_to_register(row.unknown for row in unable if row.unknown)}"
    )
    if unable or share > _LARGE:
        warnings.warn(message, stacklevel=3)
    else:
        logging.warning("%s", message)


def _layers(model):
    """The layers of a graph, those of nested graphs too, each once."""
    found = dict.fromkeys(operation for operation, _ in operations(model))
    return [
        x
        for x in found
        if isinstance(x, keras.layers.Layer) and not is_graph(x)
    ]


def masked_ids(layer) -> set[int]:
    """The ids of the variables with a mask in a layer or model."""
    return {
        id(wrapper.variable_of(step))
        for wrapper in layers_of(layer, TransformedWeights)
        if wrapper.built
        for step in wrapper.transforms
        if isinstance(step, PruningMask)
    }


def why_dense(layer) -> str:
    """Why a layer has a kernel that cannot be pruned."""
    if any(is_changed(x) for x in layers_of(layer, keras.layers.Layer)):
        return "quantized or LoRA"
    kind = type(layer)
    return f"{kind.__module__}.{kind.__name__} has weights of its own names"
