import hashlib
import json
from typing import Any

# What a layer's configuration says of training alone.
_TRAINING_ENDS = ("_initializer", "_regularizer", "_constraint")
_TRAINING_KEYS = {"trainable", "seed", "compile_config"}
# What refers to a layer by its name.
_REFERENCES = {"keras_history", "input_layers", "output_layers"}
# Differ between equal models, and between processes.
_IDENTITIES = {"name", "shared_object_id"}


def architecture_key(model, **circumstances: Any) -> str:
    """A text that two models have in common if one latency holds for both.

    Names of layers, weights, initializers, regularizers, constraints, seeds
    and rates of dropout make no difference; everything else in the
    configuration does.

    `**circumstances`: what else a measurement depends on, by name; its `repr`
    counts.

    Returns: String of 64 hexadecimal digits, the same in every process.
    """
    facts = {
        "model": _normalized(json.loads(model.to_json()), {}),
        "inputs": [[list(x.shape), x.dtype] for x in model.inputs],
        "circumstances": {k: repr(x) for k, x in circumstances.items()},
    }
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _normalized(node, names):
    """A configuration with numbers for the names of layers.

    `node`: dictionary, list or plain value of JSON. `names`: dictionary, name
    to number in the model that `node` is in.
    """
    if isinstance(node, list):
        return [_normalized(item, names) for item in node]
    if not isinstance(node, dict):
        return node
    if "Dropout" in str(node.get("class_name")):
        node = {**node, "config": {}}
    layers = node.get("layers")
    if isinstance(layers, list) and all(isinstance(x, dict) for x in layers):
        names = {x["config"].get("name"): i for i, x in enumerate(layers)}
    return {
        key: _renamed(item, names)
        if key in _REFERENCES
        else _normalized(item, names)
        for key, item in node.items()
        if not _is_left_out(key)
    }


def _is_left_out(key):
    return (
        key in _TRAINING_KEYS
        or key in _IDENTITIES
        or key.endswith(_TRAINING_ENDS)
    )


def _renamed(item, names):
    if isinstance(item, list):
        return [_renamed(each, names) for each in item]
    if isinstance(item, dict):
        return {key: _renamed(each, names) for key, each in item.items()}
    return names.get(item, item) if isinstance(item, str) else item
