"""What functions make of the constants that removed channels leave."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_eff.graph.book import entry_of


def is_elementwise(function) -> bool:
    """Whether an activation is a function of Keras that mixes no channels."""
    if isinstance(function, keras.layers.Layer):
        return False
    return entry_of(function).channels == "elementwise"


def applied(function: Callable) -> Callable:
    """The function from an array to an array that a function of Keras is."""

    def apply(values):
        values = np.asarray(values, keras.config.floatx())
        tensor = ops.convert_to_tensor(values)
        result = ops.convert_to_numpy(function(tensor))
        return np.where(np.isnan(values), np.nan, result)

    return apply
