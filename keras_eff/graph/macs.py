"""How many multiply-accumulates (MACs) the weights of a model take part in."""

import math

import keras

from keras_eff.graph import book
from keras_eff.graph import walk

# Their kernel moves over what they return, others' over what they read.
_OVER_OUTPUTS = ("convolution", "depthwise", "depthwise_separable", "separable")


def kernels_in(layer) -> list[keras.Variable]:
    """The kernels and embeddings of a layer, and of the layers inside it."""
    return [v for v in book.unwrapped(layer).weights if book.is_kernel(v)]


def weight_uses(model: keras.Model) -> dict[int, int]:
    """How often one sample is multiplied by each entry of a kernel.

    Open sizes count as 1. An embedding that is looked up multiplies nothing.

    Returns: Dict from the ids of variables to numbers of positions.
    """
    uses = {}
    for node, *_ in walk.nested_calls(model):
        layer = node.operation
        if walk.is_graph(layer) or not isinstance(layer, keras.layers.Layer):
            continue
        for kernel in kernels_in(layer):
            before = uses.get(id(kernel), 0)
            uses[id(kernel)] = before + _positions(layer, node)
    return uses


def _positions(layer, node):
    is_over_outputs = book.entry_of(layer).channels in _OVER_OUTPUTS
    tensors = node.outputs if is_over_outputs else node.input_tensors
    if "int" in tensors[0].dtype:
        return 0
    is_first = getattr(layer, "data_format", None) == "channels_first"
    sizes = tensors[0].shape[2:] if is_first else tensors[0].shape[1:-1]
    return math.prod(size or 1 for size in sizes)
