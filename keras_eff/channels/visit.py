"""One call of an operation, as the rules of channels see it."""

import dataclasses
import inspect
import math

import keras
import numpy as np

from keras_eff.channels.flow import Flow
from keras_eff.channels.labels import Labels
from keras_eff.channels.site import Fold
from keras_eff.channels.site import Site


@dataclasses.dataclass(frozen=True)
class Visit:
    """What a rule reads and writes.

    Attributes:
        layer: The operation, without the wrapper around it.
        site: What is known of it from this and earlier calls.
        labels: Those of the whole model.
        args: Positional arguments of the call, each tensor of the model.
        kwargs: Keyword arguments.
        outputs: List of the tensors that the call returns.
        flow_of: Function from a tensor to its `Flow`, or None.
    """

    layer: object
    site: Site
    labels: Labels
    args: tuple
    kwargs: dict
    outputs: list
    flow_of: object

    @property
    def tensors(self) -> list:
        leaves = keras.tree.flatten((self.args, self.kwargs))
        return [x for x in leaves if isinstance(x, keras.KerasTensor)]

    @property
    def flows(self) -> list:
        return [self.flow_of(tensor) for tensor in self.tensors]

    @property
    def rank(self) -> int:
        return len(self.tensors[0].shape)

    @property
    def channel_axis(self) -> int:
        order = getattr(self.layer, "data_format", None)
        return 1 if order == "channels_first" else self.rank - 1

    def arguments(self) -> dict:
        """The arguments of the call by name."""
        signature = inspect.signature(self.layer.call)
        return signature.bind(*self.args, **self.kwargs).arguments

    def read(self, axis: int, tensor=None) -> Flow:
        """The channels of an input that is combined over an axis.

        Frozen ones, if it has none there.
        """
        tensor = self.tensors[0] if tensor is None else tensor
        flow = self.flow_of(tensor)
        if flow is not None and flow.axis == axis:
            return flow
        self.freeze(flow, f"{self.name} combines them over another axis")
        return self.frozen(axis, tensor.shape[axis])

    def frozen(self, axis: int, size: int) -> Flow:
        labels = self.labels.new(size)
        self.labels.freeze(labels, f"{self.name} reads what cannot change")
        return Flow(axis, labels, np.zeros(size))

    @property
    def name(self) -> str:
        return f"{type(self.layer).__name__} {self.layer.name!r}"

    def freeze(self, flow: Flow | None, reason: str, where=None) -> None:
        """Keeps the channels of a flow, or those of some indices."""
        if flow is not None:
            labels = flow.labels if where is None else flow.labels[where]
            self.labels.freeze(labels, reason)

    def freeze_inputs(self, reason: str) -> None:
        for flow in self.flows:
            self.freeze(flow, reason)

    def need_zero(self, flow: Flow) -> None:
        """Keeps the channels that would not leave zero behind."""
        reason = f"{self.name} reads them, and they would not be zero"
        self.freeze(flow, reason, ~flow.is_zero)

    def begin(self, name: str, count: int) -> np.ndarray:
        """The channels that begin in the layer: the same ones in each call."""
        if name not in self.site.outputs:
            self.site.outputs[name] = self.labels.new(count)
        return self.site.outputs[name]

    def change(self, name: str, labels: np.ndarray, times: int = 1) -> None:
        """An argument of the layer becomes the number of channels left."""
        self.site.changes.append(
            lambda kept: {name: int(kept(labels).sum()) // times}
        )

    def cut(self, variable, axis: int, labels: np.ndarray) -> None:
        """A variable loses the indices along an axis of channels that go."""
        if variable is not None:
            axis = axis % len(variable.shape)
            self._cut(id(variable), axis, labels)

    def _cut(self, key, axis, labels):
        axes = self.site.cuts.setdefault(key, {})
        if axis in axes:
            self.labels.unite(axes[axis], labels)
        axes[axis] = labels

    def cut_like_tensor(self, owner, shape, flow: Flow | None) -> dict:
        """Cuts what has the shape of a tensor, without its batch.

        Calls may have their channels along different axes: in each of them,
        the other axes cannot change.

        Returns:
            Dict from the axes of the shape to the channels along each.
        """
        for axis, size in enumerate(shape):
            if size in (1, None):
                continue
            if flow is not None and flow.axis == axis + 1:
                labels = flow.labels
            else:
                labels = self.frozen(axis + 1, size).labels
            self._cut(id(owner), axis, labels)
        return self.site.cuts.get(id(owner), {})

    def begins(self, variable, axis: int, labels, values=0.0) -> None:
        """The same for a variable by which a channel becomes zero."""
        if variable is None:
            return
        self.cut(variable, axis, labels)
        key = (id(variable), axis % len(variable.shape))
        held = np.broadcast_to(values, labels.shape)
        _, before = self.site.zeros.get(key, (variable, held))
        reason = f"calls of {self.name} would need other values of its weights"
        self.labels.freeze(labels[before != held], reason)
        self.site.zeros[key] = (variable, held)

    def is_source(self, variable, axis: int) -> None:
        """What a channel is worth shows in the weights that make it."""
        axis = axis % len(variable.shape)
        self.site.sources[id(variable)] = (variable, axis)

    def is_scale(self, variable) -> None:
        """What a channel is worth shows in its factor."""
        self.site.scales[id(variable)] = (variable, 0)

    def used(self, kernels: list, positions: list) -> None:
        """Each weight is used once more at each position; open sizes are 1."""
        for kernel in kernels:
            _, before = self.site.uses.get(id(kernel), (kernel, 0))
            count = before + math.prod(size or 1 for size in positions)
            self.site.uses[id(kernel)] = (kernel, count)

    def fold(self, kernel, axis: int, flow: Flow) -> None:
        """What removed inputs hold goes into the bias."""
        reason = f"{self.name} reads them, and they would not be a constant"
        self.freeze(flow, reason, np.isnan(flow.values))
        values = np.nan_to_num(flow.values)
        before = self.site.fold
        if before is not None:
            self.freeze(flow, reason, before.values != values)
        axis = axis % len(kernel.shape)
        self.site.fold = Fold(kernel, axis, flow.labels, values)
