"""A function that teaches, in a train step that may be compiled."""

import keras
from keras import ops

_WAY_OUT = (
    "A function that computes with NumPy, ONNX or another library runs outside "
    "of the train step: collect its outputs once with "
    "`keras_eff.distillation.StoredOutputs.collect`, or compile the student "
    "with `run_eagerly=True`."
)


def call_function(function, inputs):
    """The outputs of a teacher that is a function."""
    try:
        outputs = function(inputs)
    except Exception as error:
        if _has_values(inputs):
            raise
        message = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        raise RuntimeError(
            "The teacher is a function that does not run on the symbolic "
            f"tensors of a compiled train step. {_WAY_OUT} "
            f"Received: {_name(function)}, which raised {message}"
        ) from error
    for output in keras.tree.flatten(outputs):
        _check_output(function, output)
    return outputs


def _has_values(inputs):
    """Whether tensors are those of a step that runs, not one traced."""
    try:
        keras.tree.map_structure(ops.convert_to_numpy, inputs)
    except Exception:
        return False
    return True


def _check_output(function, output):
    try:
        len(output.shape)
    except (AttributeError, TypeError, ValueError) as error:
        raise RuntimeError(
            "The teacher is a function that must return tensors of a known "
            f"number of axes. {_WAY_OUT} Received: {_name(function)}, which "
            f"returned {type(output).__module__}.{type(output).__name__}"
            f"{' of unknown shape' if hasattr(output, 'shape') else ''}"
        ) from error


def _name(function):
    return getattr(function, "__qualname__", type(function).__qualname__)
