"""Which operation of a model the converter has no operator for."""

import re

from keras_eff.graph.walk import calls
from keras_eff.lowering.traced_graph import operator_types

_MISSING = re.compile(r"'?tf\.(\w+)'? op is neither a custom op nor a flex op")


def missing_operators(model, said: str) -> str:
    """Names the operations that TFLite has no operator for, and a way out.

    Args:
        model: Functional `keras.Model` that was to be converted.
        said: What the converter said.

    Returns:
        A sentence; empty if nothing was missing, or nobody knows for what.
    """
    missing = set(_MISSING.findall(said))
    if not missing:
        return ""
    names = [
        f"{node.operation.name!r} ({type(node.operation).__name__})"
        for node, _ in calls(model)
        if missing & operator_types(node.input_tensors, node.outputs)
    ]
    if not names:
        return ""
    return (
        f"TFLite has no operator for {', '.join(dict.fromkeys(names))}, which "
        f"takes TensorFlow's {', '.join(sorted(missing))}. Write it with other "
        "operations, or end the model before it and compute it outside of the "
        "file"
    )
