"""Steps of sequences, tensors of shape (batch, length, ...).

Where `reverse` is True, processing begins at the end.
"""

from keras import ops


def preceded(sequences, before, count, reverse=False):
    """The sequences behind `count` steps that came before them.

    `sequences`: tensor of shape (batch, length, features). `before`: tensor of
    shape (batch, count, features), or None for zeros.
    """
    if before is None:
        ends = (0, count) if reverse else (count, 0)
        return ops.pad(sequences, ((0, 0), ends, (0, 0)))
    parts = [before, sequences]
    return ops.concatenate(parts[::-1] if reverse else parts, 1)


def last(sequences, reverse=False):
    """The step that is processed last; zeros where there is none."""
    if sequences.shape[1] == 0:
        return ops.sum(sequences, 1)
    # Not `sequences[:, -1]`: a slice of one step has kernels in more delegates.
    step = sequences[:, :1] if reverse else sequences[:, -1:]
    return ops.reshape(step, (-1, *sequences.shape[2:]))


def is_last(mask, reverse=False):
    """Whether a step is the last one processed that is not masked."""
    steps = ops.cast(mask, "int32")
    counts = ops.cumsum(steps, 1)
    total = 1 if reverse else ops.sum(steps, 1, keepdims=True)
    return ops.logical_and(mask, ops.equal(counts, total))
