"""Attention inside groups, as products and sums of whole sequences.

Tensors have the axes batch, groups, queries, keys, heads, features, or some
of these.
"""

import inspect
import math

import keras
from keras import ops

from keras_eff.graph.book import is_dense
from keras_eff.graph.walk import mask_of
from keras_eff.graph.walk import producer
from keras_eff.graph.walk import source
from keras_eff.layers import FakeQuant
from keras_eff.layers import TransformedWeights

# Of an int8 tensor whose step is 1: integers stay as they are.
INTEGERS = (-128.0, 127.0)
# Differences of scores beyond which a sigmoid in 8 bits is 0 or 1.
_DIFFERENCES = (-8.0, 8.0 * 127 / 128)
_CERTAIN = 16
# Divided by the number of positions that count in a group.
_WHOLE = 120
_NEVER = -3e4
# Products that take as long as one more element to multiply and to sum.
_COST_OF_SUM = 10


def expand_local_attention(call, rewriter):
    """Writes `LocalAttentionPooling` for integers.

    Its softmax becomes sigmoids, which have int8 kernels in the default
    delegate: the first half of the scores has the share
    `sigmoid(log_sum(first) - log_sum(second))`, and so on in each half.
    """
    if not _is_static(call):
        return rewriter.copy(call)
    layer = call.operation
    integers = _Integers(layer, rewriter)
    query, key, value, present = _grouped(call)
    scores = _scores(query, key)
    places = range(layer.group_size)
    scores = [_at(scores, 3, place) for place in places]
    counts = [None] * layer.group_size
    if present is not None:
        counts = [_at(present, 2, place)[:, :, None] for place in places]
    shares, _, _ = integers.softmax(scores, counts)
    mean = integers.mean_over(present)
    return _pooled(ops.concatenate([mean(x) for x in shares], 2), value)


def lower_local_attention(call, lowering):
    """Writes `LocalAttentionPooling` for a float file.

    Values that a dense layer makes are pooled before that layer, which has
    then `group_size` times fewer positions to compute.
    """
    if not _is_static(call):
        return lowering.copy(call)
    query, key, value, present = _grouped(call)
    weights = _mean_softmax(_scores(query, key), present)
    made = _arguments(call)["value"]
    dense = producer(made)
    if not _is_worth_moving(dense, call.operation, lowering):
        return _pooled(weights, value)
    inputs = ops.expand_dims(_groups(source(made), call.operation), 3)
    pooled = _values(_pooled(weights, inputs), dense, call.operation, lowering)
    if present is None:
        return pooled
    return pooled * ops.cast(ops.max(present, 2), "float32")


def _mean_softmax(scores, present):
    """The mean over queries of the softmax over keys.

    In between, groups are the last axis, along which all groups are computed
    at once.
    """
    scores = ops.transpose(scores, (2, 3, 4, 0, 1))
    if present is None:
        return ops.transpose(ops.mean(_softmax(scores), 0), (2, 3, 0, 1))
    present = ops.transpose(ops.cast(present, "float32"), (2, 3, 0, 1))
    shares = _softmax(scores + (1.0 - present) * _NEVER)
    mean = ops.sum(shares * ops.expand_dims(present, 1), 0)
    mean = mean / ops.maximum(ops.sum(present, 0), 1.0)
    return ops.transpose(mean, (2, 3, 0, 1))


def _softmax(scores):
    exponentials = ops.exp(scores - ops.max(scores, 1, keepdims=True))
    return exponentials / ops.sum(exponentials, 1, keepdims=True)


def _is_worth_moving(dense, layer, lowering):
    """Whether what it saves in products is more than the sums it adds."""
    if not is_dense(dense):
        return False
    # Pruned weights, and those of few bits, have kernels in dense layers only.
    if isinstance(lowering.origins[dense], TransformedWeights):
        return False
    if dense.activation is not keras.activations.linear:
        return False
    saved = dense.units // layer.num_heads * (1 - 1 / layer.group_size)
    return saved > _COST_OF_SUM


def _values(pooled, dense, layer, lowering):
    """Each head's part of a dense layer, applied to what the head pooled."""
    kernel, *bias = dense.get_weights()

    def make():
        return keras.layers.Conv1D(
            dense.units,
            kernel_size=1,
            groups=layer.num_heads,
            use_bias=dense.use_bias,
            name=lowering.unique(dense.name),
            dtype="float32",
        )

    key = (id(dense), "of heads")
    return lowering.apply(key, make, [kernel[None], *bias], pooled)


def _arguments(call):
    """The arguments of a call by name, however they were given."""
    signature = inspect.signature(call.operation.call)
    return signature.bind(*call.args, **call.kwargs).arguments


def _is_static(call):
    wants_scores = _arguments(call).get("return_attention_scores", False)
    return call.tensors[0].shape[1] and not wants_scores


def _grouped(call):
    """Queries, keys, values by group and head; int32 1s where one counts."""
    layer, arguments = call.operation, _arguments(call)
    query, key, value = (arguments[x] for x in ("query", "key", "value"))
    mask = arguments.get("mask")
    mask = mask_of(value) if mask is None else mask
    if mask is not None:
        mask = ops.expand_dims(ops.cast(mask, "int32"), -1)
    elif value.shape[1] % layer.group_size:
        mask = ops.ones((1, value.shape[1], 1), "int32")
    heads = [_groups(x, layer, layer.num_heads) for x in (query, key, value)]
    return *heads, None if mask is None else _groups(mask, layer)


def _groups(x, layer, *heads):
    length = x.shape[1]
    num_groups = -(-length // layer.group_size)
    excess = num_groups * layer.group_size - length
    if excess:
        x = ops.pad(x, ((0, 0), (0, excess), (0, 0)))
    shape = (num_groups, layer.group_size, *heads)
    return ops.reshape(x, (-1, *shape, x.shape[-1] // math.prod(heads)))


def _scores(query, key):
    products = ops.expand_dims(query, 3) * ops.expand_dims(key, 2)
    return ops.sum(products, -1) * query.shape[-1] ** -0.5


def _pooled(weights, value):
    pooled = ops.sum(ops.expand_dims(weights, -1) * value, 2)
    return ops.reshape(
        pooled, (-1, pooled.shape[1], math.prod(pooled.shape[2:]))
    )


def _at(x, axis, place):
    """One place of an axis, without the axis."""
    index = (slice(None),) * axis + (slice(place, place + 1),)
    return ops.squeeze(x[index], axis)


class _Integers:
    """Steps of attention in operations that int8 kernels compute."""

    def __init__(self, layer, rewriter):
        self.layer = layer
        self.rewriter = rewriter

    def softmax(self, scores, counts):
        """The share of each score, their log-sum-exp, and whether any counts.

        `counts`: list of as many int32 tensors, 1 where the score counts, or
        None where all do.
        """
        if len(scores) == 1:
            return [None], scores[0], counts[0]
        half = len(scores) // 2
        first, log_first, any_first = self.softmax(scores[:half], counts[:half])
        second, log_second, any_second = self.softmax(
            scores[half:], counts[half:]
        )
        difference = log_first - log_second
        decided, any_of_both = difference, None
        if any_first is not None:
            # A half without any gets no share, however its scores differ.
            decided = self.fake_quant(difference, _DIFFERENCES)
            known = self.floats((any_first - any_second) * _CERTAIN)
            decided = ops.add(known, decided)
            decided = self.fake_quant(decided, _DIFFERENCES)
            any_of_both = ops.maximum(any_first, any_second)
        share = ops.sigmoid(decided)
        rest = 1.0 - share
        shares = [
            part if inner is None else part * inner
            for part, half in ((share, first), (rest, second))
            for inner in half
        ]
        log_sum = log_second + share * difference + _entropy(decided)
        return shares, log_sum, any_of_both

    def mean_over(self, present):
        """A function of a share: its mean over the queries that count."""
        if present is None:
            return lambda share: ops.mean(self.dropped(share), 2, keepdims=True)
        count = ops.maximum(ops.sum(present, 2, keepdims=True), 1)
        weights = present * ops.floor_divide(_WHOLE, count)
        weights = self.floats(weights) * (1.0 / _WHOLE)
        return lambda share: ops.sum(
            self.dropped(share) * weights, 2, keepdims=True
        )

    def dropped(self, share):
        layer = self.layer
        if not layer.dropout:
            return share
        name = self.rewriter.unique(f"{layer.name}_dropout")
        return keras.layers.Dropout(layer.dropout, name=name)(share)

    def floats(self, integers):
        """Integers as floats, which the file holds as they are."""
        if not isinstance(integers, keras.KerasTensor):
            return ops.convert_to_numpy(integers).astype("float32")
        floats = ops.cast(ops.cast(integers, "int8"), "float32")
        return self.fake_quant(floats, INTEGERS)

    def fake_quant(self, x, fixed_range):
        name = self.rewriter.unique(f"{self.layer.name}_fake_quant")
        return FakeQuant(fixed_range=fixed_range, name=name)(x)


def _entropy(logit):
    """That of a share of `sigmoid(logit)`, to .003; 0 where it is certain."""
    share = ops.sigmoid(0.84 * logit)
    return 4.0 * math.log(2.0) * (share * (1.0 - share))
