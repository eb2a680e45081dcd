import functools
import math

import keras
from keras import ops

from keras_eff.graph import carried_steps
from keras_eff.graph.book import unwrapped
from keras_eff.graph.walk import mask_of

_PLAIN_KEYWORDS = {
    "query",
    "value",
    "key",
    "return_attention_scores",
    "training",
}
_ATTRIBUTES = {
    "query": "query_dense",
    "key": "key_dense",
    "value": "value_dense",
    "attention_output": "output_dense",
}
_OF_DENSE = (
    "kernel_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "bias_regularizer",
    "activity_regularizer",
)


def expand_attention(call, rewriter):
    """Writes attention as dense layers, two products and a softmax.

    Masked attention stays as it is: the large negative numbers that mask a
    score would take up the whole range of an 8-bit tensor.
    """
    if not _is_plain(call):
        return rewriter.copy(call)
    return _attend(call.operation, rewriter, *call.args, **call.kwargs)


def _is_plain(call):
    config = unwrapped(call.operation).get_config()
    given = {
        name
        for name, value in call.kwargs.items()
        if value is not None and value is not False
    }
    beyond = ("use_gate", "sliding_window")
    of_each_head = ("kernel_constraint", "bias_constraint")
    return (
        len(call.args) <= 3
        and given <= _PLAIN_KEYWORDS
        and all(len(x.shape) == 3 for x in call.tensors)
        and all(mask_of(x) is None for x in call.tensors)
        and len(config["attention_axes"]) == 1
        and len(config["output_shape"] or (0,)) == 1
        and not any(config.get(name) for name in (*beyond, *of_each_head))
    )


def _attend(
    whole,
    rewriter,
    query,
    value,
    key=None,
    return_attention_scores=False,
    training=None,
    **unused,
):
    """`softmax(query @ key.T / sqrt(key_dim)) @ value`, each head apart."""
    layer = unwrapped(whole)
    project = functools.partial(_project, whole, rewriter)
    named = functools.partial(_named, layer, rewriter)
    heads = functools.partial(_heads, layer, rewriter)
    key = value if key is None else key
    query = project("query", layer.query_dense, query)
    if layer.key_dim > 1:
        query = named("query_scale", query * layer.key_dim**-0.5)
    query = heads("query", query)
    key = heads("key", project("key", layer.key_dense, key), (0, 2, 3, 1))
    value = heads("value", project("value", layer.value_dense, value))
    scores = named("scores", ops.matmul(query, key))
    scores = named("softmax", ops.softmax(scores))
    kept = _dropout(layer, rewriter, scores, training)
    mixed = named("mixed", ops.matmul(kept, value))
    mixed = named("transpose", ops.transpose(mixed, (0, 2, 1, 3)))
    mixed = _reshape(layer, rewriter, mixed, (-1, math.prod(mixed.shape[2:])))
    outputs = project("attention_output", layer.output_dense, mixed)
    return (outputs, scores) if return_attention_scores else outputs


def _project(whole, rewriter, part, dense, tensor):
    """One of the four projections, as a `Dense` over all heads at once."""
    layer, weight = unwrapped(whole), f"{_ATTRIBUTES[part]}.kernel"
    kernel = ops.reshape(dense.kernel, (tensor.shape[-1], -1))
    biases = [] if dense.bias is None else [ops.reshape(dense.bias, (-1,))]

    def make():
        projection = keras.layers.Dense(
            kernel.shape[-1],
            use_bias=bool(biases),
            name=rewriter.unique(f"{layer.name}_{part}"),
            dtype=layer.dtype_policy,
            trainable=layer.trainable and dense.trainable,
            **{name: getattr(dense, name) for name in _OF_DENSE},
        )
        return carried_steps.with_steps(projection, whole, weight)

    fill = carried_steps.filled(whole, weight, [kernel, *biases])
    return rewriter.apply((id(layer), part), make, fill, tensor)


def _heads(layer, rewriter, part, tensor, order=(0, 2, 1, 3)):
    """The heads of a projection, side by side on axis 1."""
    size = tensor.shape[-1] // layer.num_heads
    tensor = _reshape(layer, rewriter, tensor, (-1, layer.num_heads, size))
    tensor = ops.transpose(tensor, order)
    return _named(layer, rewriter, f"{part}_heads", tensor)


def _dropout(layer, rewriter, scores, training):
    if not layer.dropout:
        return scores
    weights = {id(v) for v in layer.weights}
    seeds = [v for v in layer.variables if id(v) not in weights]

    def make():
        name = rewriter.unique(f"{layer.name}_dropout")
        policy = layer.dtype_policy
        return keras.layers.Dropout(layer.dropout, name=name, dtype=policy)

    key = (id(layer), "dropout")
    return rewriter.apply(key, make, seeds, scores, training=training)


def _reshape(layer, rewriter, tensor, shape):
    name = rewriter.unique(f"{layer.name}_reshape")
    policy = layer.dtype_policy
    return keras.layers.Reshape(shape, name=name, dtype=policy)(tensor)


def _named(layer, rewriter, part, tensor):
    return rewriter.named(rewriter.unique(f"{layer.name}_{part}"), tensor)
