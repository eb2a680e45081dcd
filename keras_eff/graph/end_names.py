"""The names of a model's inputs and outputs in its files."""

import functools
import itertools
import re

import keras

from keras_eff.graph.book import unwrapped
from keras_eff.graph.walk import input_names
from keras_eff.graph.walk import pack_inputs
from keras_eff.graph.walk import pack_outputs
from keras_eff.graph.walk import producer
from keras_eff.layers import FakeQuant

_OF_KERAS = ("keras", "keras_eff")
# Bases of what Keras names: people call layers of theirs `layer_2`.
_BASES = {"function", "layer", "model", "operation", "wrapper"}
_NUMBERED = re.compile("(.+?)(_[0-9]+)?", re.DOTALL)
_ROUNDED = re.compile("(.+)_fake_quant(_[0-9]+)?", re.DOTALL)


def end_names(model) -> tuple[list[str], list[str]]:
    """The names of the inputs and of the outputs of a model, in flat order.

    They depend on the model alone: not on what was made before it, nor on
    whether it has been quantized. See `keras_eff.export.to_tflite`.
    """
    inputs, outputs = _wanted(model)
    return _unique(inputs), _unique(outputs)


def file_names_of_keys(model) -> dict[str, str]:
    """{what a dict of the model's inputs has as key in Keras: the file's name}.

    They differ where the user named neither: Keras numbers each tensor.
    """
    names = end_names(model)[0]
    return dict(zip(input_names(model), names, strict=False))


def keep_end_names(model, quantized) -> None:
    """Renames what ends a quantized model, so that its files name the same.

    A new `FakeQuant` is named after the operation before it, which may be
    only a part of the layer that the user knows.
    """
    taken = {layer.name for layer in quantized.layers}
    for old, new, (name, _), (found, _) in zip(
        model.outputs,
        quantized.outputs,
        _wanted(model)[1],
        _wanted(quantized)[1],
        strict=True,
    ):
        maker, layer_name = producer(new), producer(old).name
        if found != name and isinstance(maker, FakeQuant):
            is_known = _renewed(layer_name, _kinds_of_keras())[0] == name
            end = layer_name if is_known else name
            maker.name = _free(f"{end}_fake_quant", taken)
            taken.add(maker.name)


def _wanted(model):
    """For inputs and outputs, pairs (name, whether the user gave it)."""
    return tuple(
        [
            (keys[n], True) if keys[n] else _own_name(producer(tensor))
            for n, tensor in enumerate(tensors)
        ]
        for tensors, keys in (
            (model.inputs, _keys(pack_inputs(model, _count(model.inputs)))),
            (model.outputs, _keys(pack_outputs(model, _count(model.outputs)))),
        )
    )


def _count(tensors):
    return list(range(len(tensors)))


def _keys(structure, before=()):
    """{number in a structure of numbers: the keys of dicts that lead to it}."""
    if isinstance(structure, dict):
        parts = [((*before, str(k)), part) for k, part in structure.items()]
    elif isinstance(structure, (list, tuple)):
        parts = [(before, part) for part in structure]
    else:
        return {structure: "_".join(before)}
    return {n: k for keys, part in parts for n, k in _keys(part, keys).items()}


def _own_name(operation):
    rounded = _ROUNDED.fullmatch(operation.name)
    is_rounding = rounded and isinstance(operation, FakeQuant)
    name = rounded[1] if is_rounding else operation.name
    own = _snake_case(type(unwrapped(operation)).__name__)
    return _renewed(name, _kinds_of_keras() | {own})


def _renewed(name, kinds):
    """A name without the number that Keras gave it; whether a user did."""
    base = _NUMBERED.fullmatch(name)[1]
    return (base, False) if base in kinds else (name, True)


@functools.cache
def _kinds_of_keras():
    """What Keras names layers and operations of its own classes, and ours."""
    kinds, waiting = set(), [keras.Operation]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.partition(".")[0] in _OF_KERAS:
            kinds.add(_snake_case(kind.__name__))
    return kinds - _BASES


def _snake_case(name):
    starts = "(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])"
    return re.sub(starts, "_", name).lower()


def _unique(wanted):
    """The names, numbered where two are alike; given ones stay."""
    given = {name for name, is_given in wanted if is_given}
    names = []
    for name, is_given in wanted:
        is_first = is_given and name not in names
        names.append(name if is_first else _free(name, given.union(names)))
    return names


def _free(name, taken):
    """The name, numbered if it is taken."""
    names = (f"{name}_{i}" if i else name for i in itertools.count())
    return next(n for n in names if n not in taken)
