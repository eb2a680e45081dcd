import functools
import inspect

import keras

from keras_eff.layers.cloning import clone_layer
from keras_eff.layers.cloning import copy_state
from keras_eff.layers.weight_transform import WeightTransform
from keras_eff.layers.weight_transform import attribute_at


@keras.saving.register_keras_serializable(package="keras_eff")
class TransformedWeights(keras.layers.Wrapper):
    """Calls a layer with its weights seen through a chain of transforms.

    The one mechanism behind pruned, clustered and quantized layers, and any
    mix of them: the wrapped layer keeps and trains its own weights, and
    computes with `last(...first(weight))`. The chain is kept in the order
    mask, cluster, fake-quant, with steps of your own where they say. Training
    and inference are alike. Whatever else the layer keeps (statistics, dropout
    seeds, losses) it goes on keeping.

    Attributes of the wrapped layer (`kernel`, `units`, `activation`, ...) are
    read through the wrapper.

    Args:
        layer: `keras.layers.Layer` whose weights are transformed.
        transforms: List of `keras_eff.layers.WeightTransform`, at most one of
            each `order` for each weight.
        **kwargs: Arguments of `keras.layers.Layer`. `name` and `trainable`
            default to those of `layer`; `dtype` is always that of its weights.

    Call arguments:
        Those of the wrapped layer.

    Input shape:
        That of the wrapped layer.

    Output shape:
        That of the wrapped layer.

    Raises:
        ValueError: If two transforms would fill the same place, or the layer
            has no weight of a transform's name.
        TypeError: If `layer` is not a layer to wrap, or `transforms` not a
            list of `WeightTransform`.

    Example:

    >>> layer = keras_eff.layers.TransformedWeights(
    ...     keras.layers.Dense(2, kernel_initializer="ones"),
    ...     [keras_eff.layers.WeightFakeQuant(num_bits=4)],
    ... )
    >>> tuple(layer(np.ones((1, 3))).shape), layer.units
    ((1, 2), 2)
    """

    def __init__(self, layer, transforms, **kwargs):
        # Keras reads the signature of `call` before there is a `self.layer`.
        self._call_signature_of_layer = inspect.signature(
            _check_layer(layer).call
        )
        kwargs.setdefault("name", layer.name)
        kwargs.setdefault("trainable", layer.trainable)
        # Not a mixed policy, whose scope would cast the weights it reads.
        kwargs["dtype"] = layer.variable_dtype
        kwargs["autocast"] = False
        super().__init__(layer, **kwargs)
        self.transforms = _sorted_chain(transforms)
        self.supports_masking = layer.supports_masking

    def __getattr__(self, name):
        # Under PyTorch, sub-layers are not found before they get here.
        found = getattr(super(), "__getattr__", None)
        if name.startswith("_") or name in ("layer", "transforms"):
            if found is not None:
                return found(name)
            raise AttributeError(
                f"{type(self).__name__!r} object has no attribute {name!r}"
            )
        return getattr(self.layer, name)

    @property
    def input_spec(self):
        return self.layer.input_spec

    def build(self, input_shape=None):
        super().build(input_shape)
        self._build_steps()

    def _build_steps(self):
        for transform in self.transforms:
            if not transform.built:
                transform.build(self.variable_of(transform).shape)

    def with_step(self, *steps):
        """A clone with one more step in its chain, or several.

        The layer and the other steps are copied, with all their state. A step
        of the same class in the same place makes way for the new one.

        Args:
            *steps: New `keras_eff.layers.WeightTransform`, which become a part
                of the clone.

        Raises:
            ValueError: If a step of another class is in its place, or the
                layer has no weight of that name.
        """
        new = {(type(s), s.weight_name, s.order) for s in steps}
        kept = [
            step
            for step in self.transforms
            if (type(step), step.weight_name, step.order) not in new
        ]
        return self._with_chain(kept, steps)

    def without_step(self, step):
        """A clone without a step in its chain.

        Args:
            step: A step of the chain, or a class of steps: all of them.
        """
        is_class = isinstance(step, type)
        gone = [
            other
            for other in self.transforms
            if other is step or (is_class and isinstance(other, step))
        ]
        return self._with_chain([s for s in self.transforms if s not in gone])

    def _with_chain(self, kept, new=()):
        copies = [clone_layer(step) for step in kept]
        layer = TransformedWeights(
            clone_layer(self.layer),
            [*copies, *new],
            name=self.name,
            trainable=self.trainable,
        )
        if self.layer.built:
            copy_state(self.layer, layer.layer)
            for step, copy in zip(kept, copies, strict=True):
                copy_state(step, copy)
            layer._build_steps()
        return layer

    def grids(self):
        """Dict from the names of weights that their last step rounds, see
        `keras_eff.layers.WeightTransform`, to a `keras_eff.layers.Grid`."""
        last = {step.weight_name: step for step in self.transforms}
        grids = {k: s.grid(self.weight_before(s)) for k, s in last.items()}
        return {name: grid for name, grid in grids.items() if grid is not None}

    def weight_before(self, step):
        """The weight as a step of the chain gets it from those before it."""
        weight = self.variable_of(step).value
        for other in self.transforms[: self.transforms.index(step)]:
            if other.weight_name == step.weight_name:
                weight = other(weight)
        return weight

    def variable_of(self, transform):
        """The variable of the wrapped layer that a transform acts on."""
        try:
            variable = attribute_at(self.layer, transform.weight_name)
        except (AttributeError, IndexError):
            variable = None
        if all(variable is not known for known in self.layer.variables):
            raise ValueError(
                f"Layer {self.layer.name!r} ({type(self.layer).__name__}) "
                f"has no weight {transform.weight_name!r} to transform. "
                f"Received: transforms={self.transforms}"
            )
        return variable

    def __call__(self, *args, **kwargs):
        if not self.layer.built:
            # From all arguments, as without the wrapper: `build` gets one.
            args_spec, kwargs_spec = keras.tree.map_structure(
                _symbolic, (args, kwargs)
            )
            self.layer(*args_spec, **kwargs_spec)
        return super().__call__(*args, **kwargs)

    @property
    def call(self):
        # Keras passes on `training` and masks to a `call` that names them.
        call = functools.partial(self._call_layer)
        call.__signature__ = self._call_signature_of_layer
        return call

    def _call_layer(self, *args, **kwargs):
        layer = self.layer
        # All of them: one left out would lose its value in a scope around.
        seen = zip(layer.variables, self.transformed_variables(), strict=True)
        scope = keras.StatelessScope(seen, collect_losses=True)
        before = {id(v): scope.get_current_value(v) for v in layer.variables}
        with scope:
            outputs = layer(*args, **kwargs)
        for variable in (*layer.variables, *layer.metrics_variables):
            after = scope.get_current_value(variable)
            if after is not before.get(id(variable)):
                variable.assign(after)
        for loss in scope.losses:
            # In a scope around, the layer that added the loss claims it.
            (scope.original_scope or self).add_loss(loss)
        return outputs

    def transformed_variables(self):
        """The values, in the order of `layer.variables`, it computes with."""
        seen = {id(v): v.value for v in self.layer.variables}
        for transform in self.transforms:
            key = id(self.variable_of(transform))
            seen[key] = transform(seen[key])
        return list(seen.values())

    def save_own_variables(self, store):
        # Called before those of the layer inside: its files hold what it
        # computes with, wherever an optimizer has moved what is hidden.
        if self.built:
            for transform in self.transforms:
                _store(self.variable_of(transform), transform)
        super().save_own_variables(store)

    def compute_mask(self, *args, **kwargs):
        return self.layer.compute_mask(*args, **kwargs)

    def compute_output_shape(self, *args, **kwargs):
        return self.layer.compute_output_shape(*args, **kwargs)

    def compute_output_spec(self, *args, **kwargs):
        return self.layer.compute_output_spec(*args, **kwargs)

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


def _store(variable, transform):
    value = keras.ops.convert_to_numpy(variable)
    if (stored := transform.stored(value)) is not value:
        variable.assign(stored)


def _symbolic(value):
    if not hasattr(value, "shape"):
        return value
    dtype = keras.backend.standardize_dtype(value.dtype)
    return keras.KerasTensor(tuple(value.shape), dtype)


def _check_layer(layer):
    is_layer = isinstance(layer, keras.layers.Layer)
    if not is_layer or isinstance(layer, TransformedWeights):
        raise TypeError(
            "Argument `layer` must be a `keras.layers.Layer`, and not a "
            "`TransformedWeights`: give all transforms to one wrapper. "
            f"Received: {_full_name(layer)}"
        )
    return layer


def _sorted_chain(transforms):
    is_list = isinstance(transforms, (list, tuple))
    for value in transforms if is_list else [transforms]:
        if not is_list or not isinstance(value, WeightTransform):
            raise TypeError(
                "Argument `transforms` must be a list of "
                "`keras_eff.layers.WeightTransform`. "
                f"Received: {_full_name(value)}"
            )
    places = {}
    for step in transforms:
        other = places.setdefault((step.weight_name, step.order), step)
        if other is not step:
            raise ValueError(
                "Argument `transforms` may hold one transform of each order "
                "for each weight: give the class of one another `order`, such "
                f"as {step.order + 0.5}. Received: {_full_name(other)} and "
                f"{_full_name(step)} of order={step.order} for weight "
                f"{step.weight_name!r}"
            )
    return sorted(transforms, key=lambda transform: transform.order)


def _full_name(value):
    return f"{type(value).__module__}.{type(value).__name__}"
