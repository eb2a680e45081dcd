import functools

import keras
import numpy as np
import pytest

from keras_eff.distillation.compiled_losses import CompiledLoss
from keras_eff.distillation.compiled_losses import losses_of_outputs

losses = keras.losses
ONE, THREE = np.zeros((2, 1)), np.zeros((2, 3))


class Own(losses.BinaryCrossentropy):
    pass


def squares(y_true, y_pred):
    return keras.ops.square(y_true - y_pred)


@pytest.mark.parametrize(
    "given, kind, from_logits",
    [
        ("mse", "values", None),
        (losses.MeanAbsolutePercentageError(), "values", None),
        (losses.mean_squared_logarithmic_error, "values", None),
        (losses.Huber, "values", None),
        ("log_cosh", "values", None),
        ("hinge", "values", None),
        ("binary_crossentropy", "labels", False),
        (losses.BinaryCrossentropy(from_logits=True), "labels", True),
        (losses.BinaryFocalCrossentropy(), "labels", False),
        (Own(from_logits=True), "labels", True),
        ("sparse_categorical_crossentropy", "classes", False),
        (losses.SparseCategoricalCrossentropy(True), "classes", True),
        (losses.KLDivergence(), "classes", False),
        (losses.CategoricalHinge(), "classes", None),
        (
            functools.partial(losses.categorical_crossentropy, from_logits=1),
            "classes",
            1,
        ),
        (functools.partial(losses.binary_crossentropy), "labels", False),
        ("crossentropy", "classes", False),
        (squares, None, None),
        (lambda y_true, y_pred: 0.0, None, None),
        (None, None, None),
    ],
)
def test_a_loss_tells_what_outputs_are(given, kind, from_logits):
    found = CompiledLoss(given)
    assert found.kind(THREE) == kind
    assert found.from_logits(THREE) == from_logits


def test_a_loss_of_one_unit_may_be_binary():
    assert CompiledLoss("crossentropy").kind(ONE) == "labels"


def test_margins_are_compared_by_their_squares():
    assert CompiledLoss("hinge").distance(ONE) is losses.mean_squared_error
    huber = losses.Huber(2.0)
    assert CompiledLoss(huber).distance(ONE) is huber


def student(structure):
    inputs = keras.Input((4,))
    outputs = {n: keras.layers.Dense(3, name=n)(inputs) for n in "abc"}
    return keras.Model(inputs, structure(outputs))


def as_list(outputs):
    return list(outputs.values())


def nested(outputs):
    return {"x": [outputs["a"], outputs["b"]], "y": outputs["c"]}


@pytest.mark.parametrize(
    "structure, loss, weights",
    [
        (dict, "mse", None),
        (dict, {"a": "mse", "c": "mae"}, {"a": 1.0, "c": 0.5}),
        (dict, {"a": "mse", "b": None, "c": "mae"}, None),
        (dict, {"c": "mse", "a": "mae", "b": "huber"}, [1.0, 2.0, 3.0]),
        (as_list, ["mse", None, "mae"], None),
        (as_list, ["mse", "mae", "huber"], [0.5, 1.0, 2.0]),
        (as_list, {"c": "mse", "b": "mae", "a": "huber"}, None),
        (tuple, ["mse", "mae", "huber"], None),
        (nested, {"x": ["mse", "mae"], "y": "huber"}, None),
        (nested, {"x": ["mse", None], "y": None}, None),
        (lambda outputs: outputs["a"], ["mse", "mae"], [1.0, 3.0]),
        (lambda outputs: outputs["a"], {"a": "mse"}, None),
    ],
)
def test_losses_are_where_keras_has_them(structure, loss, weights):
    if structure is tuple:
        structure = lambda outputs: tuple(outputs.values())  # noqa: E731
    model = student(structure)
    model.compile("sgd", loss, loss_weights=weights)
    x = np.zeros((2, 4))
    outputs = model(x)
    model.compute_loss(x, outputs, outputs)
    expected = [[] for _ in range(len(keras.tree.flatten(outputs)))]
    places = keras.tree.pack_sequence_as(outputs, list(range(len(expected))))
    # It pins the private parts of Keras that are read.
    for path, function, weight, _ in model._compile_loss._flat_losses:
        index = places
        for name in path:
            if isinstance(index, int):
                break
            is_name = isinstance(name, str) and not isinstance(index, dict)
            index = index[model.output_names.index(name) if is_name else name]
        weight = 1.0 if weight is None else weight
        expected[index].append((keras.losses.get(function.fn), weight))
    found = [
        [(losses.get(c.given), c.weight) for c in of_one]
        for of_one in losses_of_outputs(model, outputs)
    ]
    assert found == expected


def test_without_a_compiled_loss_each_output_has_one_that_is_not_told():
    model = student(dict)
    model.compile("sgd")
    assert losses_of_outputs(model, model(np.zeros((2, 4)))) == (
        [[CompiledLoss()]] * 3
    )
