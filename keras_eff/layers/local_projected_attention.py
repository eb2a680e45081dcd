import keras

from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.layers.arguments import OF_WEIGHTS
from keras_eff.layers.arguments import config_of
from keras_eff.layers.arguments import read_seed
from keras_eff.layers.arguments import take
from keras_eff.layers.local_attention_pooling import LocalAttentionPooling


@keras.saving.register_keras_serializable(package="keras_eff")
class LocalProjectedAttention(keras.layers.Layer):
    """Makes one position of every `group_size`, by attention inside a group.

    Takes the place of a first `keras.layers.MultiHeadAttention` on a long
    sequence: the cost grows with the length, not with its square, and layers
    behind it see a sequence `group_size` times shorter. Queries, keys, values
    and outputs are dense layers; `LocalAttentionPooling` in
    keras_eff/layers/local_attention_pooling.py has the formula, and says what
    is done with masks and with lengths that `group_size` does not divide. In
    training, dropout is applied to the attention; else training and inference
    are alike.

    Args:
        num_heads: Positive integer, number of attention heads.
        key_dim: Positive integer, size of each head's queries and keys.
        group_size: Integer, 2 or more, positions in a group.
        value_dim: Positive integer, size of each head's values; by default
            `key_dim`.
        output_dim: Positive integer, size of the output; by default that of
            the inputs.
        dropout: Float in [0, 1), share of the attention that is dropped.
        use_bias: Boolean, whether the dense layers have a bias; that of the
            keys has none, as none would change the attention.
        seed: Optional integer, for dropout that repeats.
        **kwargs: `kernel_initializer`, `bias_regularizer` and so on, for all
            four as in `keras.layers.Dense`, and arguments of
            `keras.layers.Layer`.

    Call arguments:
        inputs: Float tensor.
        mask: Optional boolean tensor of shape (batch, length).
        return_attention_scores: Boolean, whether to return the attention too.
        training: Boolean, whether dropout is applied.

    Input shape:
        (batch, length, features)

    Output shape:
        (batch, ceil(length / group_size), output_dim); with
        `return_attention_scores` a tuple of that and of the attention:
        (batch, groups, num_heads, group_size, group_size), queries before
        keys. A mask becomes one of groups, True where any position counts.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> layer = keras_eff.layers.LocalProjectedAttention(2, 8, group_size=4)
    >>> tuple(layer(np.ones((1, 10, 16))).shape)
    (1, 3, 16)

    Reference:
        - [Sankar et al., 2021](https://arxiv.org/abs/2101.00415), section 3.2
    """

    def __init__(
        self,
        num_heads,
        key_dim,
        group_size=4,
        *,
        value_dim=None,
        output_dim=None,
        dropout=0.0,
        use_bias=True,
        seed=None,
        **kwargs,
    ):
        arguments = take(OF_WEIGHTS, kwargs)
        super().__init__(**kwargs)
        num_heads = self.num_heads = read_integer("num_heads", num_heads, 1)
        key_dim = self.key_dim = read_integer("key_dim", key_dim, 1)
        self.group_size = read_integer("group_size", group_size, 2)
        value_dim = key_dim if value_dim is None else value_dim
        self.value_dim = read_integer("value_dim", value_dim, 1)
        if output_dim is not None:
            output_dim = read_integer("output_dim", output_dim, 1)
        self.output_dim = output_dim
        self.dropout = read_number("dropout", dropout, "[0, 1)")
        self.use_bias = use_bias
        self.seed = read_seed(seed)
        self.pooling = LocalAttentionPooling(
            num_heads,
            group_size,
            dropout,
            seed,
            name=f"{self.name}_pooling",
            dtype=self.dtype_policy,
        )
        # Checks and completes the arguments; every dense layer gets its own.
        dense = keras.layers.Dense(1, use_bias=use_bias, **arguments)
        self._of_dense = dense.get_config()
        self.query_dense = self._dense("query", num_heads * key_dim)
        # A bias would be the same in all scores of a query: softmax is blind
        # to it.
        self.key_dense = self._dense("key", num_heads * key_dim, use_bias=False)
        self.value_dense = self._dense("value", num_heads * self.value_dim)
        # Made when the size of the inputs is known, if that is its own.
        self.output_dense = None
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.supports_masking = True

    def _dense(self, part, units, **own):
        own |= {"units": units, "name": f"{self.name}_{part}"}
        own["dtype"] = self.dtype_policy
        return keras.layers.Dense.from_config({**self._of_dense, **own})

    def build(self, input_shape):
        features = input_shape[-1]
        for dense in (self.query_dense, self.key_dense, self.value_dense):
            dense.build(input_shape)
        self.output_dense = self._dense("output", self.output_dim or features)
        size = self.num_heads * self.value_dim
        self.output_dense.build((*input_shape[:-1], size))

    def call(
        self,
        inputs,
        mask=None,
        return_attention_scores=False,
        training=False,
    ):
        pooled = self.pooling(
            self.query_dense(inputs),
            self.key_dense(inputs),
            self.value_dense(inputs),
            mask=mask,
            return_attention_scores=return_attention_scores,
            training=training,
        )
        if return_attention_scores:
            return self.output_dense(pooled[0]), pooled[1]
        return self.output_dense(pooled)

    def compute_mask(self, inputs, mask=None):
        return self.pooling.compute_mask(inputs, mask)

    def compute_output_shape(self, input_shape):
        batch, length, features = input_shape
        groups = None if length is None else -(-length // self.group_size)
        return (batch, groups, self.output_dim or features)

    def compute_output_spec(
        self,
        inputs,
        mask=None,
        return_attention_scores=False,
        training=False,
    ):
        shape = self.compute_output_shape(inputs.shape)
        outputs = keras.KerasTensor(shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return outputs
        scores = (*shape[:2], self.num_heads, *[self.group_size] * 2)
        return outputs, keras.KerasTensor(scores, dtype=self.compute_dtype)

    def get_config(self):
        names = (
            "num_heads key_dim group_size value_dim output_dim dropout "
            "use_bias seed"
        )
        return {
            **super().get_config(),
            **config_of(self, names),
            **{name: self._of_dense[name] for name in OF_WEIGHTS},
        }
