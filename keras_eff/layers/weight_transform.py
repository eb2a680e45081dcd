import math
import numbers
import warnings

import keras

from keras_eff.arguments import wrong_argument


@keras.saving.register_keras_serializable(package="keras_eff")
class WeightTransform(keras.layers.Layer):
    """One step from a weight to the weight that a layer computes with.

    An abstract base: a subclass owns the state of the step (a mask, a set of
    centroids), sets `order` and implements `call(weight)`, which returns a
    tensor of the same shape. `keras_eff.layers.TransformedWeights` chains the
    steps by ascending `order`, whatever the order in which they were given.
    A step sees the weight as it is stored, and its own state too: under
    `mixed_float16` both are float32.

    A step tells what others need to know of it: `state_axes`, how its state
    follows the axes of the weight, so that channels can be removed; `grid`,
    the integers that it rounds to, so that a file holds these; `stored`, what
    a file of Keras holds in place of the weight.

    Args:
        weight_name: String, the attribute of the layer that the step
            transforms; dots lead to the layers inside it, as in
            `"cell.kernel"`, numbers into lists, as in `"cell.cells.0.kernel"`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Class attributes:
        order: Real number, place in the chain: 0 masks, 1 clusters, 2
            fake-quant. A step of your own may stand before, between (0.5) or
            behind them.

    Call arguments:
        weight: Float tensor.

    Input shape:
        The shape of the weight.

    Output shape:
        Same as the input shape.

    Raises:
        ValueError: If `weight_name` is not the name of an attribute.
        TypeError: If the class does not set `order`.

    Example:

    >>> class Gains(keras_eff.layers.WeightTransform):
    ...     order = 0.5
    ...
    ...     def build(self, input_shape):
    ...         self.gains = self.add_weight(
    ...             shape=input_shape[-1:], initializer="ones", name="gains"
    ...         )
    ...
    ...     def call(self, weight):
    ...         return weight * self.gains
    ...
    ...     def state_axes(self, variable):
    ...         return (-1,)
    >>> keras.ops.convert_to_numpy(Gains()(np.ones((1, 2), dtype="float32")))
    array([[1., 1.]], dtype=float32)
    """

    order = None

    def __init__(self, weight_name="kernel", **kwargs):
        if "weight" in kwargs:
            weight_name = kwargs.pop("weight")
            has_init = type(self).__init__ is not WeightTransform.__init__
            _warn_of_weight("Argument", 4 if has_init else 3)
        kwargs["autocast"] = False
        super().__init__(**kwargs)
        # Not a mixed policy, whose scope would cast the state of the step.
        self.dtype_policy = self.variable_dtype
        self.weight_name = _check_weight_name(weight_name)
        if not _is_real(self.order):
            kind = type(self)
            raise TypeError(
                "A subclass of `WeightTransform` must set its class attribute "
                "`order` to a real number. "
                f"Received: {kind.__module__}.{kind.__name__} with "
                f"order={self.order!r}"
            )

    def __getattr__(self, name):
        # No property: Keras reads all of them when it saves a model.
        if name == "weight":
            _warn_of_weight("Attribute", 3)
            return self.weight_name
        found = getattr(super(), "__getattr__", None)
        if found is not None:
            return found(name)
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}"
        )

    def state_axes(self, variable):
        """The axes of the weight that those of a variable of the step follow.

        Where channels of the weight are removed, so are the entries of the
        variable that belong to them. By default, a variable of the shape of
        the weight follows it axis by axis, and any other not at all.

        Args:
            variable: `keras.Variable` of the step.

        Returns:
            A tuple: for each axis of the variable an axis of the weight, or
            None.
        """
        rank = len(variable.shape)
        shape = self.get_build_config()["input_shape"]
        is_alike = tuple(variable.shape) == tuple(shape)
        return tuple(range(rank)) if is_alike else (None,) * rank

    def grid(self, weight):
        """The integers that the step rounds a weight to, if it does.

        Args:
            weight: Float tensor, as `call` gets it.

        Returns:
            A `keras_eff.layers.Grid` with the values that `call` returns;
            None by default.
        """
        return None

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
        return {**super().get_config(), "weight_name": self.weight_name}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if "weight" in config:
            # Saved by version 0.1.0.
            config["weight_name"] = config.pop("weight")
        return cls(**config)


def attribute_at(layer, path: str):
    """The attribute at the end of a path such as `"cell.cells.0.kernel"`."""
    value = layer
    for part in path.split("."):
        value = value[int(part)] if part.isdecimal() else getattr(value, part)
    return value


def followed_axes(step, variable) -> dict[int, int]:
    """The axes of a variable of a built step that follow those of its weight.

    Returns: Dict from such an axis to the axis of the weight, both from 0.
    """
    rank = len(step.get_build_config()["input_shape"])
    axes = step.state_axes(variable)
    is_valid = isinstance(axes, (tuple, list)) and all(
        axis is None or (isinstance(axis, int) and -rank <= axis < rank)
        for axis in axes
    )
    if not is_valid or len(axes) != len(variable.shape):
        raise ValueError(
            f"`{type(step).__name__}.state_axes` must return, for each axis of "
            f"the variable, an axis of its weight of {rank} axes, or None. "
            f"Received: {axes!r} for a variable of shape "
            f"{tuple(variable.shape)}"
        )
    return {i: a % rank for i, a in enumerate(axes) if a is not None}


def _is_real(order):
    is_real = isinstance(order, numbers.Real) and not isinstance(order, bool)
    return is_real and math.isfinite(order)


def _warn_of_weight(what, stacklevel):
    warnings.warn(
        f"{what} `weight` of a weight transform is `weight_name` now; the old "
        "name goes in version 0.3.",
        DeprecationWarning,
        stacklevel=stacklevel,
    )


def _check_weight_name(name):
    parts = name.split(".") if isinstance(name, str) else [""]
    if not all(part.isidentifier() or part.isdecimal() for part in parts):
        expected = "the name of an attribute, such as 'kernel' or 'cell.kernel'"
        raise wrong_argument("weight_name", name, expected)
    return name
