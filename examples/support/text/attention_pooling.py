"""Attention pooling, from operations that become integers."""

from keras import ops

# The score of padding; no softmax in eight bits tells a lower one from it.
_ABSENT = -10.0


def attention_pooling(scores, values, words):
    """The mean of `values` over time, weighted by the softmax of `scores`.

    Each channel has weights of its own. A masked softmax would stay float: a
    padded word gets 10 less in its scores instead.

    Args:
        scores: Float tensor of shape (batch, words, channels).
        values: Float tensor of the same shape.
        words: Integer tensor of shape (batch, words, characters), the words
            that they come from; a row of zeros is padding.

    Returns:
        Float tensor of shape (batch, channels).
    """
    present = ops.cast(ops.any(ops.not_equal(words, 0), axis=-1), "float32")
    penalties = (1.0 - ops.expand_dims(present, 1)) * _ABSENT
    # The integer kernel of softmax takes the last axis alone.
    scores = ops.transpose(scores, (0, 2, 1)) + penalties
    weights = ops.softmax(scores, axis=-1)
    return ops.sum(weights * ops.transpose(values, (0, 2, 1)), axis=-1)
