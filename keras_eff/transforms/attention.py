import math

import keras
from keras import ops

from keras_eff.transforms.graph import has_mask

_PLAIN_KEYWORDS = {"value", "key", "return_attention_scores", "training"}
_SHARED = (
    "use_bias",
    "kernel_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "bias_regularizer",
    "trainable",
    "dtype",
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
    config = call.operation.get_config()
    used = {
        k for k, v in call.kwargs.items() if v is not None and v is not False
    }
    return (
        len(call.args) <= 3
        and used <= _PLAIN_KEYWORDS
        and all(len(x.shape) == 3 for x in call.tensors)
        and not any(has_mask(x) for x in call.tensors)
        and config["attention_axes"] in (None, (1,), [1])
        and not isinstance(config["output_shape"], (list, tuple))
        and not config.get("use_gate")
    )


def _attend(
    layer,
    rewriter,
    query,
    value,
    key=None,
    return_attention_scores=False,
    **unused,
):
    """`softmax(query @ key.T / sqrt(key_dim)) @ value`, each head apart."""
    config = layer.get_config()

    def heads(part, tensor, scale=1.0):
        outputs = _dense(layer, rewriter, part, tensor)
        if scale != 1.0:
            outputs = outputs * scale
        split = (
            -1,
            config["num_heads"],
            outputs.shape[-1] // config["num_heads"],
        )
        return ops.transpose(_reshape(outputs, split), (0, 2, 1, 3))

    key = value if key is None else key
    query = heads("query", query, scale=config["key_dim"] ** -0.5)
    key = ops.transpose(heads("key", key), (0, 1, 3, 2))
    scores = ops.softmax(ops.matmul(query, key))
    kept = _dropout(layer, rewriter, scores) if config["dropout"] else scores
    mixed = ops.matmul(kept, heads("value", value))
    mixed = ops.transpose(mixed, (0, 2, 1, 3))
    mixed = _reshape(mixed, (-1, math.prod(mixed.shape[2:])))
    outputs = _dense(layer, rewriter, "attention_output", mixed)
    return (outputs, scores) if return_attention_scores else outputs


def _reshape(tensor, shape):
    return keras.layers.Reshape(shape)(tensor)


def _dense(layer, rewriter, part, tensor):
    """One of the four projections, as a `Dense` over all heads at once."""
    values = [
        ops.convert_to_tensor(v)
        for v in layer.weights
        if v.path.split("/")[-2] == part
    ]
    values[0] = ops.reshape(values[0], (tensor.shape[-1], -1))
    values[1:] = [ops.reshape(bias, (-1,)) for bias in values[1:]]
    config = layer.get_config()
    return rewriter.apply(
        (id(layer), part),
        lambda: keras.layers.Dense(
            values[0].shape[-1],
            name=f"{layer.name}_{part}",
            **{name: config[name] for name in _SHARED},
        ),
        values,
        tensor,
    )


def _dropout(layer, rewriter, scores):
    config = layer.get_config()
    return rewriter.apply(
        (id(layer), "dropout"),
        lambda: keras.layers.Dropout(
            config["dropout"],
            seed=config["seed"],
            name=f"{layer.name}_dropout",
        ),
        [v for v in layer.variables if v not in layer.weights],
        scores,
    )
