"""One call of an operation, as the rules of channels see it."""

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_eff.channels.layer_dependencies import Fold
from keras_eff.channels.layer_dependencies import LayerDependencies
from keras_eff.channels.tensor_channels import TensorChannels
from keras_eff.graph.book import unwrapped
from keras_eff.graph.walk import Call


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChannelCall(Call):
    """A call through which a rule sends channels.

    Attributes:
        dependencies: `LayerDependencies` of the operation, from this call and
            earlier ones.
        graph: `ChannelGraph` of the whole model.
        channels_of: Function from a tensor to its `TensorChannels`, or None.
    """

    dependencies: LayerDependencies
    graph: Any
    channels_of: Callable

    @functools.cached_property
    def layer(self):
        """The operation, without the wrapper around it."""
        return unwrapped(self.operation)

    @functools.cached_property
    def sets(self):
        return self.graph.sets

    @functools.cached_property
    def channels(self) -> list:
        """The channels of each of its tensors."""
        return list(map(self.channels_of, self.tensors))

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

    def read(self, axis: int, tensor=None) -> TensorChannels:
        """The channels of an input that is combined over an axis.

        Frozen ones, if it has none there.
        """
        tensor = self.tensors[0] if tensor is None else tensor
        channels = self.channels_of(tensor)
        if channels is not None and channels.axis == axis:
            return channels
        self.freeze(channels, f"{self.name} combines them over another axis")
        return self.frozen(axis, tensor.shape[axis])

    def frozen(self, axis: int, size: int) -> TensorChannels:
        ids = self.sets.new(size)
        self.sets.freeze(ids, f"{self.name} reads what cannot change")
        return TensorChannels(axis, ids, np.zeros(size))

    @functools.cached_property
    def name(self) -> str:
        """The class, with the module unless it is Keras's, and the name."""
        kind = type(self.layer)
        is_known = kind.__module__.startswith(("keras.", "keras_eff."))
        module = "" if is_known else f"{kind.__module__}."
        return f"{module}{kind.__name__} {self.layer.name!r}"

    def freeze(
        self, channels: TensorChannels | None, reason: str, where=None
    ) -> None:
        """Keeps the channels of a tensor, or those of some indices."""
        if channels is not None:
            ids = channels.ids if where is None else channels.ids[where]
            self.sets.freeze(ids, reason)

    def freeze_inputs(self, reason: str) -> None:
        for channels in self.channels:
            self.freeze(channels, reason)

    def need_zero(self, channels: TensorChannels) -> None:
        """Keeps the channels that would not leave zero behind."""
        reason = f"{self.name} reads them, and they would not be zero"
        self.freeze(channels, reason, ~channels.is_zero)

    def begin(self, name: str, count: int) -> np.ndarray:
        """The channels that begin in the layer: the same ones in each call."""
        if name not in self.dependencies.outputs:
            self.dependencies.outputs[name] = self.sets.new(count)
        return self.dependencies.outputs[name]

    def change(self, name: str, ids: np.ndarray, times: int = 1) -> None:
        """An argument of the layer becomes the number of channels left."""
        self.dependencies.changes.append(
            lambda kept: {name: int(kept(ids).sum()) // times}
        )

    def cut(self, variable, axis: int, ids: np.ndarray) -> None:
        """A variable loses the indices along an axis of channels that go."""
        if variable is not None:
            axis = axis % len(variable.shape)
            self._cut(id(variable), axis, ids)

    def _cut(self, key, axis, ids):
        axes = self.dependencies.cuts.setdefault(key, {})
        if axis in axes:
            self.sets.unite(axes[axis], ids)
        axes[axis] = ids

    def cut_like_tensor(
        self, owner, shape, channels: TensorChannels | None
    ) -> dict:
        """Cuts what has the shape of a tensor, without its batch.

        Calls may have their channels along different axes: in each of them,
        the other axes cannot change.

        Returns: Dict from the axes of the shape to the channels along each.
        """
        for axis, size in enumerate(shape):
            if size in (1, None):
                continue
            if channels is not None and channels.axis == axis + 1:
                ids = channels.ids
            else:
                ids = self.frozen(axis + 1, size).ids
            self._cut(id(owner), axis, ids)
        return self.dependencies.cuts.get(id(owner), {})

    def begins(self, variable, axis: int, ids, values=0.0) -> None:
        """The same for a variable by which a channel becomes zero."""
        if variable is None:
            return
        self.cut(variable, axis, ids)
        key = (id(variable), axis % len(variable.shape))
        held = np.broadcast_to(values, ids.shape)
        _, before = self.dependencies.zeros.get(key, (variable, held))
        reason = f"calls of {self.name} would need other values of its weights"
        self.sets.freeze(ids[before != held], reason)
        self.dependencies.zeros[key] = (variable, held)

    def is_source(self, variable, axis: int) -> None:
        """What a channel is worth shows in the weights that make it."""
        axis = axis % len(variable.shape)
        self.dependencies.sources[id(variable)] = (variable, axis)

    def is_scale(self, variable) -> None:
        """What a channel is worth shows in its factor."""
        self.dependencies.scales[id(variable)] = (variable, 0)

    def used(self, kernels: list, positions: list) -> None:
        """Each weight is used once more at each position; open sizes are 1."""
        for kernel in kernels:
            _, before = self.dependencies.uses.get(id(kernel), (kernel, 0))
            count = before + math.prod(size or 1 for size in positions)
            self.dependencies.uses[id(kernel)] = (kernel, count)

    def fold(self, kernel, axis: int, channels: TensorChannels) -> None:
        """What removed inputs hold goes into the bias."""
        reason = f"{self.name} reads them, and they would not be a constant"
        self.freeze(channels, reason, np.isnan(channels.values))
        values = np.nan_to_num(channels.values)
        before = self.dependencies.fold
        if before is not None:
            self.freeze(channels, reason, before.values != values)
        axis = axis % len(kernel.shape)
        self.dependencies.fold = Fold(kernel, axis, channels.ids, values)
