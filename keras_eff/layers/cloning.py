"""Layers inside others, and copies that share nothing with the old ones."""

import inspect
import tempfile
import types
import warnings

import keras


# The only private attribute that layers and callbacks read, in one place.
def layers_of(model, kind: type) -> list:
    """The layers of a class anywhere in a model or layer, each once."""
    return [x for x in model._flatten_layers() if isinstance(x, kind)]


def children_of(layer) -> list:
    """The layers that a layer holds itself."""
    return layer._flatten_layers(recursive=False, include_self=False)


def clone_layer(layer, /, adapt=lambda config: config, **changes):
    """A new layer from the config of another, some entries changed.

    Its weights are new: `copy_state` carries them over.

    `adapt`: function from the config to the one of the new layer. What it gets
    holds functions as they are, where a layer of Keras has them.
    """
    kind = type(layer)
    try:
        with warnings.catch_warnings():
            # Nothing is saved here.
            warnings.filterwarnings("ignore", ".*includes a `lambda`")
            config = adapt({**_config(layer), **changes})
            copy = _from_config(layer, config)
    except (NotImplementedError, TypeError, ValueError, KeyError) as error:
        raise ValueError(
            f"Layer {layer.name!r} cannot be copied. Give its class a "
            "`get_config` that returns the arguments of its constructor. "
            f"Received: {kind.__module__}.{kind.__name__}, which raises "
            f"{type(error).__name__}: {error}"
        ) from error
    # A config that Keras makes up for a class without one may lack it.
    copy.name = changes.get("name", layer.name)
    return copy


def copy_state(source, target) -> None:
    """Gives a clone the weights and all other state of its original.

    It is built as the original was, if it is not.
    """
    _build_alike(source, target, set())
    assign(target, source.variables)
    for old, new in zip(_parts(source), _parts(target), strict=True):
        new.trainable = old.trainable
        if hasattr(old, "save_assets"):
            with tempfile.TemporaryDirectory() as folder:
                old.save_assets(folder)
                new.load_assets(folder)
        elif hasattr(new, "finalize_state"):
            # What the layer computed from its variables before they were set.
            new.finalize_state()


def assign(layer, values) -> None:
    """Sets the variables of a built layer, in their order."""
    if len(layer.variables) != len(values):
        raise ValueError(
            f"A copy of layer {layer.name!r} must have the variables of the "
            f"layer. Received: {len(layer.variables)} variables for "
            f"{len(values)}"
        )
    for variable, value in zip(layer.variables, values, strict=True):
        # On JAX, a model that runs may give up its buffers: share none.
        variable.assign(keras.ops.copy(value))


def _build_alike(source, target, seen):
    if id(source) in seen:
        return
    seen.add(id(source))
    # Without a `build` of its own, a layer is built once its parts are.
    if type(source).build is not keras.layers.Layer.build:
        _build_one(source, target)
    for pair in zip(children_of(source), children_of(target), strict=True):
        _build_alike(*pair, seen)
    _build_one(source, target)


def _build_one(source, target):
    if source.built and not target.built:
        target.build_from_config(source.get_build_config())


def _config(layer):
    """The layer's config; with functions as they are if it is one of Keras's.

    Those need not be registered then, and may be lambdas.
    """
    config = layer.get_config()
    if not type(layer).__module__.startswith("keras."):
        return config
    if isinstance(layer, keras.layers.Lambda):
        return _lambda_config(layer, config)
    live = {
        name: value
        for name, value in vars(layer).items()
        if isinstance(config.get(name), dict) and _is_function(value)
    }
    return {**config, **live}


def _from_config(layer, config):
    if isinstance(layer, keras.layers.Lambda):
        return type(layer)(**config)
    lambdas = _lambdas_in(_parts(layer))
    with keras.saving.custom_object_scope({**_classes_in(layer), **lambdas}):
        return type(layer).from_config(_with_references(config, lambdas))


def _lambda_config(layer, config):
    shape = config.get("output_shape")
    # A function of the full shape, as `output_shape` may be too.
    shape = layer.compute_output_shape if isinstance(shape, dict) else shape
    return {
        "function": layer.function,
        "output_shape": shape,
        "mask": layer.mask,
        "arguments": layer.arguments,
        "name": layer.name,
        "trainable": layer.trainable,
        "dtype": layer.dtype_policy,
    }


def _is_function(value):
    return callable(value) and not isinstance(value, keras.layers.Layer)


def _parts(layer):
    return layers_of(layer, keras.layers.Layer)


def _classes_in(layer):
    """Classes and functions that a layer holds, registered or not, by name."""
    values = [v for part in _parts(layer) for v in (part, *vars(part).values())]
    kinds = [
        value if inspect.isfunction(value) else type(value)
        for value in values
        if callable(value)
    ]
    return {
        kind.__name__: kind
        for kind in kinds
        if not (kind.__module__ or "").startswith("keras.")
    }


# Keras writes the code of a lambda into a config, and refuses to read it or
# reads it without its globals.
def _lambdas_in(layers) -> dict:
    """The lambdas that layers hold in their attributes, by a name for each."""
    values = [value for layer in layers for value in _values(layer)]
    values += [x for value in values for x in _values(value)]
    found = {id(value): value for value in values if _is_lambda(value)}
    return {f"lambda_{i}": value for i, value in enumerate(found.values())}


def _with_references(config, lambdas: dict):
    """A config that names the lambdas, as it does functions, in their place.

    `config`: what `get_config` returned, or a part of it.
    """
    code = _code_in(config)
    if code is not None:
        name = _name_of(code, lambdas)
        return config if name is None else _reference(name)
    if isinstance(config, dict):
        return {k: _with_references(v, lambdas) for k, v in config.items()}
    if type(config) in (list, tuple):
        return type(config)(_with_references(v, lambdas) for v in config)
    return config


def _values(holder):
    """What a layer, an initializer, a list... holds."""
    if isinstance(holder, (list, tuple)):
        return holder
    if isinstance(holder, (type, types.FunctionType, types.ModuleType)):
        return ()
    return tuple(getattr(holder, "__dict__", {}).values())


def _is_lambda(value):
    is_function = isinstance(value, types.FunctionType)
    return is_function and value.__name__ == "<lambda>"


def _code_in(config):
    """The `(code, defaults, closure)` that Keras makes of a lambda, or None."""
    if not isinstance(config, dict):
        return None
    inner = config
    if config.get("class_name") == "__lambda__":
        inner = config["config"]
    if inner.keys() == {"value"} and isinstance(inner["value"], (list, tuple)):
        return inner["value"] if len(inner["value"]) == 3 else None
    if inner.keys() == {"code", "defaults", "closure"}:
        return inner["code"], inner["defaults"], inner["closure"]
    return None


def _name_of(code, lambdas):
    """Of a factory's lambdas, the one with the same values in its closure."""
    dumps = {name: _dump(function) for name, function in lambdas.items()}
    same = [name for name, dump in dumps.items() if dump[0] == code[0]]
    equal = [n for n in same if repr(dumps[n][1:]) == repr(tuple(code[1:]))]
    return next(iter(equal or same), None)


def _dump(function):
    """As Keras writes it."""
    return keras.saving.serialize_keras_object(function)["config"]["value"]


def _reference(name):
    return {
        "module": None,
        "class_name": "function",
        "config": name,
        "registered_name": name,
    }
