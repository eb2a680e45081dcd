import keras


class WeightTransform(keras.layers.Layer):
    """One step from a weight to the weight that a layer computes with.

    An abstract base: a subclass owns the state of the step (a mask, a set of
    centroids), sets `order` and implements `call(weight)`, which returns a
    tensor of the same shape. `keras_eff.layers.TransformedWeights` chains the
    steps by ascending `order`, whatever the order in which they were added.

    Args:
        weight: String, the attribute of the layer that the step transforms.
        **kwargs: Arguments of `keras.layers.Layer`.

    Class attributes:
        order: Integer, place in the chain: 0 masks, 1 clusters, 2 fake-quant.

    Input shape:
        The shape of the weight.

    Output shape:
        Same as the input shape.
    """

    order = None

    def __init__(self, weight="kernel", **kwargs):
        kwargs["autocast"] = False
        super().__init__(**kwargs)
        self.weight = weight

    def get_config(self):
        return {**super().get_config(), "weight": self.weight}
