import inspect
import operator

import keras

from keras_eff.layers.weight_transform import WeightTransform


@keras.saving.register_keras_serializable(package="keras_eff")
class TransformedWeights(keras.layers.Wrapper):
    """Calls a layer with its weights seen through a chain of transforms.

    The one mechanism behind pruned, clustered and quantized layers, and any
    mix of them: the wrapped layer keeps and trains its own weights, and
    computes with `last(...first(weight))`. The chain is kept in the order
    mask, cluster, fake-quant. Training and inference are alike. Whatever else
    the layer keeps (statistics, dropout seeds, losses) it goes on keeping.

    Attributes of the wrapped layer (`kernel`, `units`, `activation`, ...) are
    read through the wrapper.

    Args:
        layer: `keras.layers.Layer` whose weights are transformed.
        transforms: List of `keras_eff.layers.WeightTransform`, at most one of
            each class for each weight.
        **kwargs: Arguments of `keras.layers.Layer`. `name` defaults to the
            name of `layer`, `dtype` to its dtype policy.

    Call arguments:
        Those of the wrapped layer.

    Input shape:
        That of the wrapped layer.

    Output shape:
        That of the wrapped layer.

    Raises:
        ValueError: If two transforms would fill the same place, or the layer
            has no weight of a transform's name.
        TypeError: If a transform is not a `WeightTransform`.

    Example:

    >>> layer = keras_eff.layers.TransformedWeights(
    ...     keras.layers.Dense(2, kernel_initializer="ones"),
    ...     [keras_eff.layers.WeightFakeQuant(num_bits=4)],
    ... )
    >>> layer(np.ones((1, 3))).shape, layer.units
    (TensorShape([1, 2]), 2)
    """

    def __init__(self, layer, transforms, **kwargs):
        kwargs.setdefault("name", layer.name)
        kwargs.setdefault("dtype", layer.dtype_policy)
        kwargs["autocast"] = False
        super().__init__(layer, **kwargs)
        self.transforms = _sorted_chain(transforms)
        self.supports_masking = layer.supports_masking

    def __getattr__(self, name):
        if name.startswith("_") or name in ("layer", "transforms"):
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            )
        return getattr(self.layer, name)

    def build(self, input_shape=None):
        super().build(input_shape)
        for transform in self.transforms:
            transform.build(self._variable(transform).shape)
            transform.built = True

    def _variable(self, transform):
        try:
            return operator.attrgetter(transform.weight)(self.layer)
        except AttributeError:
            raise ValueError(
                f"Layer {self.layer.name!r} ({type(self.layer).__name__}) "
                f"has no weight {transform.weight!r} to transform. "
                f"Received: transforms={self.transforms}"
            ) from None

    def call(self, inputs, *args, training=None, mask=None, **kwargs):
        kwargs.update(self._passed_on(training=training, mask=mask))
        seen = self.transformed_variables()
        scope = keras.StatelessScope(
            zip(self.layer.variables, seen, strict=True), collect_losses=True
        )
        before = [scope.get_current_value(v) for v in self.layer.variables]
        with scope:
            outputs = self.layer(inputs, *args, **kwargs)
        for variable, value in zip(self.layer.variables, before, strict=True):
            after = scope.get_current_value(variable)
            if after is not value:
                variable.assign(after)
        for loss in scope.losses:
            # Not the same tensor: under JAX both layers would report it.
            self.add_loss(loss + 0.0)
        return outputs

    def transformed_variables(self):
        """The values, in the order of `layer.variables`, it computes with."""
        seen = {id(v): v.value for v in self.layer.variables}
        for transform in self.transforms:
            key = id(self._variable(transform))
            seen[key] = transform(seen[key])
        return list(seen.values())

    def compute_mask(self, inputs, previous_mask):
        return self.layer.compute_mask(inputs, previous_mask)

    def compute_output_shape(self, *args, **kwargs):
        return self.layer.compute_output_shape(*args, **kwargs)

    def compute_output_spec(
        self, inputs, *args, training=None, mask=None, **kwargs
    ):
        kwargs.update(self._passed_on(training=training, mask=mask))
        return self.layer.compute_output_spec(inputs, *args, **kwargs)

    def _passed_on(self, **named):
        accepted = inspect.signature(self.layer.call).parameters
        return {name: v for name, v in named.items() if name in accepted}

    def get_config(self):
        transforms = [
            keras.saving.serialize_keras_object(t) for t in self.transforms
        ]
        return {**super().get_config(), "transforms": transforms}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        load = keras.saving.deserialize_keras_object
        layer = load(config.pop("layer"), custom_objects=custom_objects)
        transforms = [
            load(t, custom_objects=custom_objects)
            for t in config.pop("transforms")
        ]
        return cls(layer, transforms, **config)


def _sorted_chain(transforms):
    for transform in transforms:
        if not isinstance(transform, WeightTransform):
            kind = type(transform)
            raise TypeError(
                "Argument `transforms` must hold "
                "`keras_eff.layers.WeightTransform` layers. Received: "
                f"{kind.__module__}.{kind.__name__}"
            )
    places = [(t.weight, t.order) for t in transforms]
    if len(set(places)) < len(places):
        raise ValueError(
            "Argument `transforms` may hold one transform of each kind for "
            f"each weight. Received: transforms={transforms}"
        )
    return sorted(transforms, key=lambda transform: transform.order)
