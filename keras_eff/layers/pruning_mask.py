import math

import keras
import numpy as np
from keras import ops

from keras_eff.arguments import read_integer
from keras_eff.arguments import wrong_argument
from keras_eff.layers.arguments import config_of
from keras_eff.layers.weight_transform import WeightTransform
from keras_eff.ops import pruning


@keras.saving.register_keras_serializable(package="keras_eff")
class PruningMask(WeightTransform):
    """Hides the pruned entries of a weight: `output = mask ? weight : 0`.

    The step of a `keras_eff.layers.TransformedWeights` chain that makes a
    layer prunable. The mask starts with every weight kept, so that the layer
    is the one without it, and acts alike in training and inference: only
    `keras_eff.callbacks.PruningScheduler` and `keras_eff.prune` change it. A
    pruned weight gets no gradient.

    Args:
        schedule: Optional function of the step that returns the sparsity,
            such as a `keras_eff.schedules.SparsitySchedule`; by default the
            callback's.
        pattern: What is pruned as a whole: "unstructured" (each weight, or
            each block of `block_shape`), "channel" (all weights of an output
            channel), or "N:M" with integers N < M, such as "2:4": at least N
            of each M neighbours along the inputs stay, and the sparsity is at
            most `1 - N / M`.
        block_shape: Pair of positive integers, the shape of the blocks over
            the last two axes of the weight, those of inputs and outputs.
        channel_axes: Tuple of integers, the axes of the weight that count its
            output channels.
        weight_name: String, see `keras_eff.layers.WeightTransform`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        weight: Float tensor.

    Input shape:
        The shape of the weight.

    Output shape:
        Same as the input shape.

    Raises:
        ValueError: If an argument is out of range, the weight has one axis,
            or both `pattern` and `block_shape` ask for something.
        TypeError: If `schedule` is not callable.

    Example:

    >>> step = keras_eff.layers.PruningMask(block_shape=(2, 1))
    >>> kernel = np.array([[5.0, 1.0], [4.0, -3.0]], dtype="float32")
    >>> step.build(kernel.shape)
    >>> step.prune(0.5, np.abs(kernel))
    >>> keras.ops.convert_to_numpy(step(kernel))
    array([[5., 0.],
           [4., 0.]], dtype=float32)
    """

    order = 0

    def __init__(
        self,
        schedule=None,
        pattern="unstructured",
        block_shape=(1, 1),
        channel_axes=(-1,),
        **kwargs,
    ):
        super().__init__(**kwargs)
        if schedule is not None and not callable(schedule):
            raise TypeError(
                "Argument `schedule` must be a function of the step. "
                f"Received: schedule={schedule!r}"
            )
        self.schedule = schedule
        self._n_of_m = _check_pattern(pattern)
        self.pattern = pattern
        self.block_shape = _check_block(block_shape, pattern)
        self.channel_axes = tuple(channel_axes)
        # Read when the train step is traced: whether pruned weights get the
        # gradient they would have if they were 0.
        self.has_dense_gradient = False

    def build(self, input_shape):
        if len(input_shape) < 2:
            raise ValueError(
                "A pruned weight must have two axes or more. "
                f"Received: a weight of shape {tuple(input_shape)}"
            )
        self.mask = self.add_weight(
            name="mask",
            shape=input_shape,
            initializer="ones",
            dtype="bool",
            trainable=False,
        )

    def call(self, weight):
        mask = ops.convert_to_tensor(self.mask)
        masked = ops.where(mask, weight, ops.zeros_like(weight))
        if not self.has_dense_gradient:
            return masked
        # Adds an exact 0 that carries the gradient.
        gradient = weight - ops.stop_gradient(weight)
        return ops.stop_gradient(masked) + gradient

    def stored(self, weight):
        """The weight with its hidden entries zero.

        Args:
            weight: NumPy array.
        """
        mask = ops.convert_to_numpy(self.mask)
        return np.where(mask, weight, weight.dtype.type(0))

    @property
    def block(self):
        """The shape of what is pruned as a whole, over all axes."""
        shape, rank = self.mask.shape, len(self.mask.shape)
        if self.pattern == "channel":
            kept = {axis % rank for axis in self.channel_axes}
            return tuple(1 if i in kept else n for i, n in enumerate(shape))
        return (1,) * (rank - 2) + self.block_shape

    @property
    def unit_sizes(self):
        """NumPy array, how many weights each unit holds."""
        return pruning.block_sizes(self.mask.shape, self.block)

    @property
    def kept_units(self):
        """NumPy array, whether any weight of a unit is kept."""
        mask = ops.convert_to_numpy(self.mask)
        return pruning.block_means(mask.astype("float32"), self.block) > 0

    @property
    def sparsity(self):
        """Share of the weights that the mask hides, in [0, 1)."""
        mask = ops.convert_to_numpy(self.mask)
        return 1.0 - float(np.count_nonzero(mask) / mask.size)

    @property
    def max_sparsity(self):
        """The sparsity that the pattern can reach."""
        return 1.0 - self._n_of_m[0] / self._n_of_m[1] if self._n_of_m else 1.0

    def scores(self, saliency):
        """The score of each unit: the lowest are pruned first.

        Args:
            saliency: NumPy array of the weight's shape, 0 or more.
        """
        mask = ops.convert_to_numpy(self.mask)
        # Integers and halves too get a place below 0 for what is pruned.
        dtype = np.result_type(saliency, "float32")
        values = pruning.with_pruned_last(np.asarray(saliency, dtype), mask)
        if self._n_of_m:
            return pruning.protect_n_of_m(values, *self._n_of_m)
        return pruning.block_means(values, self.block)

    def prune(self, sparsity, saliency):
        """Keeps the units of highest saliency.

        Args:
            sparsity: Float in [0, 1).
            saliency: NumPy array of the weight's shape, 0 or more.
        """
        check_reach(self, sparsity)
        (kept,) = pruning.keep(
            [self.scores(saliency)], [self.unit_sizes], sparsity
        )
        self.set_units(kept)

    def set_units(self, kept):
        """Sets the mask from an entry for each unit: whether it is kept."""
        self.mask.assign(pruning.spread(kept, self.block, self.mask.shape))

    def get_config(self):
        return {
            **super().get_config(),
            **config_of(self, "pattern block_shape channel_axes"),
            "schedule": keras.saving.serialize_keras_object(self.schedule),
        }

    @classmethod
    def from_config(cls, config):
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return super().from_config({**config, "schedule": schedule})


def check_reach(mask, sparsity):
    """Raises a ValueError if a mask's pattern cannot reach a sparsity."""
    if not 0.0 <= sparsity < 1.0:
        raise ValueError(
            f"A sparsity must be in [0, 1). Received: sparsity={sparsity}"
        )
    # A sparsity computed in float32 may exceed the share by its rounding.
    if sparsity > mask.max_sparsity + 1e-6:
        raise ValueError(
            f"Pattern {mask.pattern!r} prunes a share of at most "
            f"{mask.max_sparsity:.4g}: ask for less, or for another pattern. "
            f"Received: sparsity={sparsity}"
        )


def _check_pattern(pattern):
    """Returns (n, m) of an "n:m" pattern, None for another."""
    if pattern in ("unstructured", "channel"):
        return None
    parts = pattern.split(":") if isinstance(pattern, str) else []
    if len(parts) == 2 and all(part.isdecimal() for part in parts):
        n, m = map(int, parts)
        if 0 < n < m:
            return n, m
    raise ValueError(
        'Argument `pattern` must be "unstructured", "channel" or "N:M" with '
        f'integers 0 < N < M, such as "2:4". Received: pattern={pattern!r}'
    )


def _check_block(block_shape, pattern):
    is_pair = isinstance(block_shape, (list, tuple)) and len(block_shape) == 2
    if not is_pair:
        expected = "a pair of positive integers"
        raise wrong_argument("block_shape", block_shape, expected)
    block_shape = tuple(
        read_integer(f"block_shape[{axis}]", length, 1)
        for axis, length in enumerate(block_shape)
    )
    if pattern != "unstructured" and math.prod(block_shape) > 1:
        raise ValueError(
            "Argument `block_shape` goes with the unstructured pattern only. "
            f"Received: block_shape={block_shape}, pattern={pattern!r}"
        )
    return block_shape
