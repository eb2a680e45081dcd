import re

import keras
import pytest
from keras import layers

from keras_eff.graph.selection import kept_float
from keras_eff.graph.selection import selector
from keras_eff.graph.walk import calls
from keras_eff.graph.walk import is_graph
from keras_eff.layers import FakeQuant
from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant
from keras_eff.layers.keep_float import KeepFloat


def model():
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, name="deep")], name="inner"
    )
    inputs = keras.Input((4,))
    x = layers.Dense(4, name="first")(inputs)
    x = inner(x) + 1.0
    dense = layers.Dense(2)
    last = TransformedWeights(dense, [WeightFakeQuant()], name="last")
    return keras.Model(inputs, layers.ReLU(name="relu")(last(x)))


def chosen(skip):
    whole = model()
    matches = selector(whole, skip)
    return {op.name for op in operations(whole) if matches(op)}


def operations(graph):
    for node, _ in calls(graph):
        yield node.operation
        if is_graph(node.operation):
            yield from operations(node.operation)


@pytest.mark.parametrize(
    "skip, names",
    [
        ((), set()),
        ("first", {"first"}),
        ("deep", {"deep"}),
        ("inner", {"inner"}),
        (layers.Dense, {"first", "deep", "last"}),
        (layers.ReLU, {"relu"}),
        (lambda layer: layer.name.startswith("r"), {"relu"}),
        (lambda layer: layer.weights, {"first", "inner", "deep", "last"}),
        (["first", layers.ReLU], {"first", "relu"}),
        ({"first", "last"}, {"first", "last"}),
    ],
)
def test_names_classes_and_predicates_choose_operations(skip, names):
    assert chosen(skip) == names


def test_bare_operations_are_chosen_by_name():
    whole = model()
    (name,) = [op.name for op in whole.operations if type(op).__name__ == "Add"]
    assert selector(whole, name)(whole.operations[3])


def test_an_unknown_name_is_refused_with_those_there_are():
    message = "skip='frist'; its layers are .*'deep', 'first', 'inner'"
    with pytest.raises(ValueError, match=message):
        selector(model(), "frist")


def test_anything_else_is_refused():
    message = re.escape("Received: skip=[3]")
    with pytest.raises(TypeError, match=message):
        selector(model(), [3])


def dense(name):
    return layers.Dense(4, name=name)


@pytest.mark.parametrize(
    "function, names",
    [
        (lambda x: KeepFloat()(dense("a")(dense("b")(x))), {"a"}),
        (
            lambda x: KeepFloat()(
                layers.ReLU(name="relu")(
                    layers.BatchNormalization(name="norm")(dense("a")(x))
                )
            ),
            {"a", "norm", "relu"},
        ),
        (lambda x: KeepFloat()(layers.ELU(name="elu")(dense("a")(x))), {"elu"}),
        (
            lambda x: KeepFloat()(
                layers.ReLU(name="relu")(FakeQuant()(dense("a")(x)))
            ),
            {"relu"},
        ),
    ],
    ids=[
        "just before",
        "what it follows",
        "not past a float layer",
        "not past a fake-quant",
    ],
)
def test_a_keep_float_keeps_what_comes_before_it(function, names):
    inputs = keras.Input((4,))
    inner = keras.Model(inputs, function(inputs))
    nested = keras.Sequential([keras.Input((4,)), inner])
    for whole in (inner, nested):
        assert {op.name for op in kept_float(whole)} == names
