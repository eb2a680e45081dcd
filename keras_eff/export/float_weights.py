import math

import keras
import numpy as np
from absl import logging
from ai_edge_litert import schema_py_generated as schema

from keras_eff.export.formats import FORMATS
from keras_eff.export.preparation import SMALLEST_WEIGHT
from keras_eff.tflite.file_weights import FileWeight
from keras_eff.tflite.file_weights import file_weights
from keras_eff.tflite.weight_only import WEIGHT_PLACES

# Of the bytes of all weights: fewer are not worth a warning.
_SHARE = 0.1
_LISTED = 10


def warn_of_float_weights(file: schema.ModelT, model, name: str) -> None:
    """Warns if a format left more than a tenth of the bytes of weights float32.

    With what "dynamic" would save on a file of integers.
    """
    if name == "float32":
        return
    weights = file_weights(file)
    floats = [w for w in weights if w.dtype == "float32"]
    left = sum(w.size_bytes for w in floats)
    total = sum(w.size_bytes for w in weights)
    if left <= _SHARE * total:
        return
    floats.sort(key=lambda weight: -weight.size_bytes)
    lines = [_line(weight, model) for weight in floats[:_LISTED]]
    rest = len(floats) - len(lines)
    logging.warning(
        'to_tflite: "%s" leaves %s of %s bytes of weights float32 (%s): %s%s%s',
        name,
        f"{left:,}",
        f"{total:,}",
        f"{left / total:.0%}",
        ", ".join(lines),
        f" and {rest} more" if rest else "",
        _smaller(weights) if FORMATS[name].is_integer else "",
    )


def _smaller(weights):
    """What "dynamic" would save, if it does."""
    becoming = [w for w in weights if w.dtype == "float32" and _is_int8(w)]
    saved = sum(w.size_bytes - _dynamic_bytes(w) for w in weights)
    if not becoming or saved <= 0:
        return ""
    held = sum(w.size_bytes for w in becoming)
    return (
        f'. A file of "dynamic", of the float model, holds {held:,} of these '
        f"bytes in 8 bits, and is smaller by an estimated {saved:,} bytes"
    )


def _is_int8(weight):
    """Whether "dynamic" holds it in 8 bits, whatever it is here."""
    is_large = math.prod(weight.tensor.shape) >= SMALLEST_WEIGHT
    return is_large and weight.reader in WEIGHT_PLACES


def _dynamic_bytes(weight):
    return math.prod(weight.tensor.shape) * (1 if _is_int8(weight) else 4)


def _line(weight: FileWeight, model):
    name = _variable_of(weight, model) or weight.reader
    return (
        f"{name} {weight.tensor.shape.tolist()} ({weight.size_bytes:,} bytes)"
    )


def _variable_of(weight, model):
    """The path of the variable with the same values in whatever order."""
    values = np.sort(weight.data.view(np.float32))
    for variable in model.variables:
        same_size = math.prod(variable.shape) == len(values)
        if same_size and "float" in variable.dtype:
            other = keras.ops.convert_to_numpy(variable).astype("float32")
            if np.allclose(np.sort(other, axis=None), values):
                return variable.path
    return None
