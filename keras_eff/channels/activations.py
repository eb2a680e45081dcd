"""What functions make of the constants that removed channels leave."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

# Functions of each element by itself, as operations and as activations.
_NAMES = (
    "abs absolute cast celu clip elu erf exp expm1 gelu hard_shrink "
    "hard_sigmoid hard_silu hard_tanh leaky_relu linear log1p log_sigmoid "
    "mish negative relu relu6 round rsqrt selu sigmoid sign silu soft_shrink "
    "softplus softsign sparse_plus sqrt square squareplus stop_gradient "
    "swish tanh tanh_shrink threshold"
)
ELEMENTWISE = frozenset(_NAMES.split())


def is_elementwise(function) -> bool:
    """Whether an activation is one of Keras's that mixes no channels."""
    module = getattr(function, "__module__", None) or ""
    name = getattr(function, "__name__", "")
    return module.startswith("keras.") and name in ELEMENTWISE


def applied(function: Callable) -> Callable:
    """The function from an array to an array that a function of Keras is."""

    def apply(values):
        values = np.asarray(values, keras.config.floatx())
        tensor = ops.convert_to_tensor(values)
        result = ops.convert_to_numpy(function(tensor))
        return np.where(np.isnan(values), np.nan, result)

    return apply
