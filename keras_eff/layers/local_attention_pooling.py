import keras
import numpy as np
from keras import ops

from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.layers.arguments import config_of
from keras_eff.layers.arguments import read_seed

# Far below any score; in float16 too.
_NEVER = -3e4
# Up to here, the heads of a group take less time in one product, where keys of
# other heads are masked, than moved apart.
_TOKENS = 32


@keras.saving.register_keras_serializable(package="keras_eff")
class LocalAttentionPooling(keras.layers.Layer):
    """Self-attention inside groups of positions, then the mean of each group.

    The core of `keras_eff.layers.LocalProjectedAttention`, which has no
    weights. In a group of `group_size` neighbours,

    `weights = mean over queries of softmax(query @ key.T / sqrt(key_dim))`,
    `output = sum over keys of weights * value`,

    each head apart. The mean over queries is taken before the product with the
    values, with which it commutes. Masked positions neither attend nor are
    attended to; the output of a group of them is zero. The length is filled
    up to a multiple of `group_size` with masked positions. In training,
    dropout is applied to the attention; else training and inference are alike.

    Args:
        num_heads: Positive integer, the parts into which features are split.
        group_size: Integer, 2 or more, positions in a group.
        dropout: Float in [0, 1), share of the attention that is dropped.
        seed: Optional integer, for dropout that repeats.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        query: Float tensor of shape (batch, length, num_heads * key_dim).
        key: Float tensor of the same shape.
        value: Float tensor of shape (batch, length, num_heads * value_dim).
        mask: Optional boolean tensor of shape (batch, length).
        return_attention_scores: Boolean, whether to return the attention too.
        training: Boolean, whether dropout is applied.

    Output shape:
        (batch, ceil(length / group_size), num_heads * value_dim), and the
        attention: (batch, groups, num_heads, group_size, group_size), queries
        before keys.

    Example:

    >>> from keras_eff.layers import local_attention_pooling
    >>> pooling = local_attention_pooling.LocalAttentionPooling(2, group_size=4)
    >>> x = np.ones((1, 10, 8))
    >>> tuple(pooling(x, x, x).shape)
    (1, 3, 8)

    Reference:
        - [Sankar et al., 2021](https://arxiv.org/abs/2101.00415), section 3.2
    """

    def __init__(
        self, num_heads, group_size=4, dropout=0.0, seed=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.num_heads = read_integer("num_heads", num_heads, 1)
        self.group_size = read_integer("group_size", group_size, 2)
        is_small = self.num_heads * self.group_size <= _TOKENS
        self.heads_together = self.num_heads if is_small else 1
        self.dropout = read_number("dropout", dropout, "[0, 1)")
        self.seed = read_seed(seed)
        if self.dropout:
            name = f"{self.name}_dropout"
            policy = self.dtype_policy
            self.dropout_layer = keras.layers.Dropout(
                self.dropout, seed=self.seed, name=name, dtype=policy
            )
        self.supports_masking = True

    def call(
        self,
        query,
        key,
        value,
        mask=None,
        return_attention_scores=False,
        training=False,
    ):
        weights = self._weights(value, mask)
        query, key, value = map(self._tokens, (query, key, value))
        scores = ops.einsum("bgsqd,bgskd->bgsqk", query, key)
        scores = scores * query.shape[-1] ** -0.5
        scores = ops.softmax(scores + self._unrelated(weights))
        if self.dropout:
            scores = self.dropout_layer(scores, training=training)
        batch, groups, sets, tokens, _ = ops.shape(scores)
        shape = (batch, groups, sets, self.group_size, self.heads_together)
        scores = ops.reshape(scores, (*shape, tokens))
        pooled = ops.matmul(_mean_over_queries(scores, weights), value)
        size = self.num_heads * value.shape[-1]
        pooled = ops.reshape(pooled, (batch, groups, size))
        if not return_attention_scores:
            return pooled
        # Keys of other heads have no share.
        scores = ops.sum(ops.reshape(scores, (-1, self.heads_together)), -1)
        scores = ops.reshape(scores, (*shape, self.group_size))
        shape = (batch, groups, self.num_heads, *[self.group_size] * 2)
        return pooled, ops.reshape(ops.swapaxes(scores, 3, 4), shape)

    def _weights(self, x, mask):
        """1 at the positions that count, in groups; None if they all do."""
        if mask is not None:
            mask = ops.cast(ops.expand_dims(mask, -1), self.compute_dtype)
        elif x.shape[1] is not None and x.shape[1] % self.group_size == 0:
            return None
        else:
            mask = ops.ones_like(x[..., :1])
        return ops.squeeze(self._groups(mask), -1)

    def _tokens(self, x):
        """Shape (batch, groups, sets of heads, tokens, size of a head).

        A token is one head's part of a position; those of a set are together.
        """
        x = self._groups(x)
        shape = ops.shape(x)[:2]
        size = x.shape[-1] // self.num_heads
        sets = self.num_heads // self.heads_together
        if sets > 1:
            x = ops.reshape(x, (*shape, self.group_size, sets, -1))
            x = ops.swapaxes(x, 2, 3)
        tokens = self.group_size * self.heads_together
        return ops.reshape(x, (*shape, sets, tokens, size))

    def _unrelated(self, weights):
        """0 for a key of the query's own head that counts, else far below."""
        heads = np.eye(self.heads_together)
        related = np.tile(heads, [self.group_size] * 2)
        related = ops.cast(related, self.compute_dtype)
        if weights is not None:
            keys = ops.repeat(weights, self.heads_together, 2)
            related = related * ops.expand_dims(keys, (2, 3))
        return (1.0 - related) * _NEVER

    def _groups(self, x):
        """Shape (batch, groups, group_size, features)."""
        batch, length, features = ops.shape(x)
        num_groups = self._num_groups(length)
        if x.shape[1] is None or x.shape[1] % self.group_size:
            x = ops.pad(x, ((0, 0), (0, self.group_size - 1), (0, 0)))
            x = x[:, : num_groups * self.group_size]
        return ops.reshape(x, (batch, num_groups, self.group_size, features))

    def _num_groups(self, length):
        return (length + self.group_size - 1) // self.group_size

    def compute_mask(self, query, mask=None):
        """A group counts if one of its positions does."""
        if mask is None:
            return None
        others = self.group_size - 1
        padded = ops.pad(mask, ((0, 0), (0, others)), constant_values=False)
        counts = mask
        for distance in range(1, self.group_size):
            end = distance - others or None
            counts = ops.logical_or(counts, padded[:, distance:end])
        return counts[:, :: self.group_size]

    def compute_output_spec(
        self,
        query,
        key,
        value,
        mask=None,
        return_attention_scores=False,
        training=False,
    ):
        batch, length, size = value.shape
        groups = None if length is None else self._num_groups(length)
        pooled = (batch, groups, size)
        scores = (batch, groups, self.num_heads, *[self.group_size] * 2)
        pooled, scores = (
            keras.KerasTensor(shape, dtype=self.compute_dtype)
            for shape in (pooled, scores)
        )
        return (pooled, scores) if return_attention_scores else pooled

    def get_config(self):
        names = "num_heads group_size dropout seed"
        return {**super().get_config(), **config_of(self, names)}


def _mean_over_queries(scores, weights):
    if weights is None:
        return ops.mean(scores, 3)
    queries = ops.expand_dims(weights, (2, 4, 5))
    count = ops.maximum(ops.sum(queries, 3), 1.0)
    return ops.sum(scores * queries, 3) / count
