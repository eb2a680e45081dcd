"""What becomes of one operation when channels go."""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Fold:
    """Constants that removed inputs add to the bias of a layer.

    Attributes:
        kernel: Variable, of which `axis` is that of the inputs, and the last
            that of the outputs.
        axis: Integer, the axis of the inputs.
        ids: Integer array, their channels.
        values: Float array, what they hold once removed.
    """

    kernel: object
    axis: int
    ids: np.ndarray
    values: np.ndarray


@dataclasses.dataclass(eq=False)
class LayerDependencies:
    """How an operation depends on channels, over all of its calls.

    Attributes:
        operation: Operation of the model, a wrapper where there is one.
        name: String, that of the operation, behind that of the layer which it
            is a part of.
        parts: List of the `LayerDependencies` of what a layer was opened into;
            they say all then.
        cuts: Dict from the id of a variable to a dict from its axes to the
            channels along each.
        zeros: Dict from the id of a variable and an axis to the variable and
            what its indices hold so that their channels are zero.
        outputs: Dict from a name to channels that begin here.
        sources: Dict from the id of a variable whose weights make channels, to
            the variable and their axis.
        scales: The same for factors of a normalization.
        changes: Functions from `kept` (see `Cutter`) to changed entries of the
            operation's config.
        fold: Constants to add to the bias, or None.
        uses: Dict from the id of a kernel to the kernel and how often a sample
            uses each of its weights.
        reason: String or None, why nothing of it can go and nothing is known
            of its products.
    """

    operation: object
    name: str
    parts: list = dataclasses.field(default_factory=list)
    cuts: dict = dataclasses.field(default_factory=dict)
    zeros: dict = dataclasses.field(default_factory=dict)
    outputs: dict = dataclasses.field(default_factory=dict)
    sources: dict = dataclasses.field(default_factory=dict)
    scales: dict = dataclasses.field(default_factory=dict)
    changes: list[Callable] = dataclasses.field(default_factory=list)
    fold: Fold | None = None
    uses: dict = dataclasses.field(default_factory=dict)
    reason: str | None = None

    @property
    def cut_ids(self) -> list:
        """The channels along each axis of each variable that can be cut."""
        return [ids for axes in self.cuts.values() for ids in axes.values()]
