import abc

import keras
import numpy as np


class SparsitySchedule(abc.ABC):
    """The share of weights that shall be zero, as a function of the step.

    An abstract base: a subclass implements `sparsity_at` and `get_config`, and
    is registered with `keras.saving.register_keras_serializable`. Schedules
    hold no state; two of equal class and config are equal.

    Call arguments:
        step: The optimizer's step: an integer of Python, a NumPy array, or an
            integer tensor, inside a graph or outside.

    Returns:
        Sparsity in [0, 1): a float or a NumPy array, or a float tensor where
        `step` is a tensor.

    Example:

    >>> schedule = keras_eff.schedules.ConstantSparsity(0.8, begin_step=100)
    >>> float(schedule(99)), float(schedule(100))
    (0.0, 0.8)
    """

    def __call__(self, step):
        if keras.ops.is_tensor(step):
            return self.sparsity_at(keras.ops.cast(step, "float32"), keras.ops)
        return self.sparsity_at(np.asarray(step, "float64"), np)[()]

    @abc.abstractmethod
    def sparsity_at(self, step, ops):
        """The sparsity at a float step, computed with `ops`.

        Args:
            step: Float tensor or NumPy array of any shape.
            ops: `keras.ops` for a tensor, `numpy` for an array.
        """

    @abc.abstractmethod
    def get_config(self):
        """Returns the arguments of the constructor."""

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __eq__(self, other):
        is_same_kind = type(other) is type(self)
        return is_same_kind and other.get_config() == self.get_config()

    def __hash__(self):
        # Not of the config, which may hold a list.
        return hash(type(self))

    def __repr__(self):
        config = self.get_config().items()
        arguments = ", ".join(f"{name}={value}" for name, value in config)
        return f"{type(self).__name__}({arguments})"
