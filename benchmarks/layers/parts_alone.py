"""Parts of efficient layers that no way of writing the layers does without."""

from keras import layers
from keras import ops


def attention_products(inputs, features, group_size=4):
    """The four dense layers of `LocalProjectedAttention`, no attention."""
    query, key, value = (layers.Dense(features)(inputs) for _ in range(3))
    groups = inputs.shape[1] // group_size
    summed = layers.Add()([query, key, value])
    grouped = ops.reshape(summed, (-1, groups, group_size, features))
    return layers.Dense(features)(ops.sum(grouped, axis=2))


def depthwise(inputs):
    """The first half of `DepthwiseSeparable`, without its normalization."""
    convolution = layers.DepthwiseConv2D(3, padding="same", activation="relu6")
    return convolution(inputs)


def pointwise(inputs, filters):
    """The second half."""
    return layers.Conv2D(filters, 1, activation="relu6")(inputs)
