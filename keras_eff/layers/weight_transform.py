import keras


@keras.saving.register_keras_serializable(package="keras_eff")
class WeightTransform(keras.layers.Layer):
    """One step from a weight to the weight that a layer computes with.

    An abstract base: a subclass owns the state of the step (a mask, a set of
    centroids), sets `order` and implements `call(weight)`, which returns a
    tensor of the same shape. `keras_eff.layers.TransformedWeights` chains the
    steps by ascending `order`, whatever the order in which they were given.
    A step sees the weight as it is stored, and its own state too: under
    `mixed_float16` both are float32.

    Args:
        weight: String, the attribute of the layer that the step transforms;
            dots lead to the layers inside it, as in `"cell.kernel"`, numbers
            into lists, as in `"cell.cells.0.kernel"`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Class attributes:
        order: Integer, place in the chain: 0 masks, 1 clusters, 2 fake-quant.

    Call arguments:
        weight: Float tensor.

    Input shape:
        The shape of the weight.

    Output shape:
        Same as the input shape.

    Raises:
        ValueError: If `weight` is not the name of an attribute.
        TypeError: If the class does not set `order`.

    Example:

    >>> class Halve(keras_eff.layers.WeightTransform):
    ...     order = 1
    ...
    ...     def call(self, weight):
    ...         return weight / 2
    >>> keras.ops.convert_to_numpy(Halve()(np.ones(2, dtype="float32")))
    array([0.5, 0.5], dtype=float32)
    """

    order = None

    def __init__(self, weight="kernel", **kwargs):
        kwargs["autocast"] = False
        super().__init__(**kwargs)
        # Not a mixed policy, whose scope would cast the state of the step.
        self.dtype_policy = self.variable_dtype
        self.weight = _check_weight(weight)
        if not isinstance(self.order, int):
            kind = type(self)
            raise TypeError(
                "A subclass of `WeightTransform` must set its class attribute "
                "`order` to an integer. "
                f"Received: {kind.__module__}.{kind.__name__} with "
                f"order={self.order!r}"
            )

    def stored(self, weight):
        """The weight as a file is to hold it: by default as it is.

        Args:
            weight: NumPy array.
        """
        return weight

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_output_spec(self, weight):
        return keras.KerasTensor(weight.shape, dtype=weight.dtype)

    def get_config(self):
        return {**super().get_config(), "weight": self.weight}


def attribute_at(layer, path: str):
    """The attribute at the end of a path such as `"cell.cells.0.kernel"`."""
    value = layer
    for part in path.split("."):
        value = value[int(part)] if part.isdecimal() else getattr(value, part)
    return value


def _check_weight(weight):
    parts = weight.split(".") if isinstance(weight, str) else [""]
    if not all(part.isidentifier() or part.isdecimal() for part in parts):
        raise ValueError(
            "Argument `weight` must be the name of an attribute, such as "
            f"'kernel' or 'cell.kernel'. Received: weight={weight!r}"
        )
    return weight
