"""What tells one data set, and one teacher, from another."""

import hashlib
import json

import keras
import numpy as np

# They say nothing of what a model computes, or differ from process to process.
_LEFT_OUT = {"shared_object_id", "trainable", "build_config", "compile_config"}
# Where a configuration of Keras names layers, whose numbers go on counting.
_NAMED = {"name", "keras_history", "input_layers", "output_layers"}


def of_arrays(structure) -> str:
    """Of each array: its values, type and shape."""
    digest = hashlib.sha256()
    for array in keras.tree.flatten(structure):
        array = np.ascontiguousarray(array)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.data.cast("B"))
    return digest.hexdigest()


def of_teacher(teacher, name=None) -> str | None:
    """Of a model: weights, layers and their settings; else of a name.

    Returns: None for a function without a name.
    """
    if not isinstance(teacher, keras.Model):
        return None if name is None else _digest(["function", name])
    weights = of_arrays(teacher.get_weights())
    return _digest([weights, _architecture(teacher), name])


def _architecture(model):
    kind = [type(model).__module__, type(model).__qualname__]
    try:
        config = model.get_config()
    except (NotImplementedError, TypeError, ValueError):
        # A class that cannot be saved has its weights alone.
        return kind
    # Functions and the like have no JSON, and addresses in their `repr`.
    text = json.dumps(config, default=lambda value: type(value).__qualname__)
    return kind, _without_names(json.loads(text), {})


def _without_names(config, numbers, is_name=False):
    """A configuration with layers numbered in the order of their mention."""
    if isinstance(config, dict):
        return {
            key: _without_names(value, numbers, key in _NAMED)
            for key, value in sorted(config.items())
            if key not in _LEFT_OUT
        }
    if isinstance(config, list):
        return [_without_names(value, numbers, is_name) for value in config]
    if is_name and isinstance(config, str):
        return numbers.setdefault(config, len(numbers))
    return config


def _digest(value):
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
