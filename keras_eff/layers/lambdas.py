"""Lambdas in the config of a layer, for a copy that stays in memory.

Keras writes the code of a lambda into a config, and refuses to read it or
reads it without its globals.
"""

import types

import keras


def lambdas_in(layers) -> dict:
    """The lambdas that layers hold in their attributes, by a name for each."""
    values = [value for layer in layers for value in _values(layer)]
    values += [x for value in values for x in _values(value)]
    found = {id(value): value for value in values if _is_lambda(value)}
    return {f"lambda_{i}": value for i, value in enumerate(found.values())}


def with_references(config, lambdas: dict):
    """A config that names the lambdas, as it does functions, in their place.

    Args:
        config: What `get_config` returned, or a part of it.
        lambdas: See `lambdas_in`; custom objects to read the config with.
    """
    code = _code_in(config)
    if code is not None:
        name = _name_of(code, lambdas)
        return config if name is None else _reference(name)
    if isinstance(config, dict):
        return {k: with_references(v, lambdas) for k, v in config.items()}
    if type(config) in (list, tuple):
        return type(config)(with_references(v, lambdas) for v in config)
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
