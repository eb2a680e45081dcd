import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant
from keras_eff.quantization.expansion import expand


def samples(model, seed=0):
    generator = np.random.default_rng(seed)
    arrays = [
        generator.normal(size=(3, *x.shape[1:])).astype("float32")
        for x in model.inputs
    ]
    return arrays if len(arrays) > 1 else arrays[0]


def randomized(model):
    """The model with no bias or other weight left at zero."""
    generator = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(generator.normal(size=weight.shape) * 0.5)
    return model


def check(model, tolerance=1e-5, **expected):
    """Expands the model, compares it, and returns the expanded one."""
    randomized(model)
    expanded, _ = expand(model)
    inputs = samples(model)
    new, old = expanded(inputs), model(inputs)
    for a, b in zip(
        keras.tree.flatten(new), keras.tree.flatten(old), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=tolerance, rtol=tolerance)
    return expanded


def functional(function, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = function(*inputs)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


def kinds(model):
    return [type(op).__name__ for op in model.operations[1:]]


@pytest.mark.parametrize("activation", ["tanh", "softmax", "elu", "gelu"])
@pytest.mark.parametrize(
    "layer",
    [
        lambda **kw: layers.Dense(4, **kw),
        lambda **kw: layers.Conv2D(4, 3, strides=2, groups=2, **kw),
        lambda **kw: layers.DepthwiseConv2D(3, depth_multiplier=2, **kw),
        lambda **kw: layers.Conv2DTranspose(4, 3, strides=2, **kw),
    ],
)
def test_an_activation_that_no_kernel_fuses_becomes_a_layer(layer, activation):
    model = functional(layer(activation=activation, name="mine"), (6, 6, 4))
    expanded = check(model)
    assert [op.name for op in expanded.operations[1:]] == [
        "mine",
        "mine_activation",
    ]
    assert expanded.get_layer("mine_activation").activation.__name__ == (
        activation
    )


@pytest.mark.parametrize("activation", ["relu", "relu6", None])
def test_an_activation_that_a_kernel_fuses_stays(activation):
    layer = layers.Conv1D(4, 3, activation=activation)
    assert kinds(check(functional(layer, (6, 2)))) == ["Conv1D"]


def test_relu_is_split_off_transposed_convolutions():
    layer = layers.Conv1DTranspose(4, 3, activation="relu")
    expanded = check(functional(layer, (6, 2)))
    assert kinds(expanded) == ["Conv1DTranspose", "Activation"]


def test_activations_of_any_kind_are_split_off():
    for activation in (lambda x: x * 2.0, layers.PReLU(), layers.ReLU()):
        model = functional(layers.Dense(4, activation=activation), (6, 2))
        assert kinds(check(model))[0] == "Dense"
        assert len(kinds(check(model))) == 2


def test_an_activity_regularizer_sees_what_it_saw():
    for layer in (
        layers.Dense(4, activation="tanh", activity_regularizer="l2"),
        layers.SeparableConv1D(
            4, 3, activation="tanh", activity_regularizer="l2"
        ),
        layers.SeparableConv1D(4, 3, activity_regularizer="l2"),
    ):
        model = functional(layer, (6, 2))
        expanded = check(model)
        (new,), (old,) = expanded.losses, model.losses
        np.testing.assert_allclose(new, old, rtol=1e-5)


def test_a_chain_of_transforms_is_kept_when_an_activation_is_split_off():
    chain = [WeightFakeQuant(4)]
    layer = TransformedWeights(layers.Dense(4, activation="tanh"), chain)
    expanded = check(functional(layer, (6, 2)))
    assert kinds(expanded) == ["TransformedWeights", "Activation"]


@pytest.mark.parametrize("kind", [layers.Add, layers.Multiply])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_merges_of_many_become_pairs(kind, count):
    merge = kind(name="mine")
    model = functional(lambda *x: merge(x), *[(4, 2)] * count)
    expanded = check(model)
    assert kinds(expanded).count(kind.__name__) == count - 1
    assert expanded.get_layer("mine")


@pytest.mark.parametrize("count", [1, 2, 4])
def test_an_average_becomes_a_scaled_sum(count):
    merge = layers.Average(name="mine")
    model = functional(lambda *x: merge(x), *[(4, 2)] * count)
    expanded = check(model)
    assert "Average" not in kinds(expanded)
    assert expanded.operations[-1].name == "mine"


def test_an_average_of_masked_tensors_keeps_its_mask():
    def pooled(ids):
        x = layers.Embedding(3, 4, mask_zero=True)(ids)
        return layers.GlobalAveragePooling1D()(layers.Average()([x, x]))

    model = randomized(functional(pooled, (5,)))
    ids = np.array([[1, 2, 0, 0, 0]])
    np.testing.assert_allclose(expand(model)[0](ids), model(ids), rtol=1e-5)


@pytest.mark.parametrize(
    "function, kind",
    [
        (lambda x: x / 4, "Multiply"),
        (lambda x: x / np.array([1.0, 4.0], "float32"), "Multiply"),
        (lambda x: -x, "Multiply"),
        (ops.square, "Multiply"),
        (lambda x: 1 / (x + 9.0), "TrueDivide"),
        (lambda x: x / (x + 9.0), "TrueDivide"),
    ],
)
def test_bare_operations_become_products(function, kind):
    model = functional(function, (4, 2))
    expanded = check(model)
    assert kinds(expanded)[-1] == kind
    assert expanded.operations[-1].name == model.operations[-1].name


def test_nested_and_shared_layers_are_expanded_once():
    dense = layers.Dense(4, activation="tanh", name="dense")
    merge = layers.Add(name="merge")
    inner = functional(lambda x: merge([dense(x), dense(dense(x)), x]), (4,))
    inner.name = "inner"
    model = functional(lambda a, b: inner(a) - inner(inner(b)), (4,), (4,))
    expanded = check(model)
    assert len(expanded.weights) == 2
    assert expanded.get_layer("inner").get_layer("dense")


def test_layers_called_by_keyword_are_expanded():
    layer = layers.Dense(4, activation="tanh")
    merge = layers.Add()
    model = functional(lambda x: merge(inputs=[layer(inputs=x), x, x]), (3, 4))
    assert kinds(check(model))[:2] == ["Dense", "Activation"]


def test_kept_layers_are_not_expanded():
    model = functional(layers.Dense(4, activation="tanh", name="mine"), (3,))
    expanded, kept = expand(model, lambda op: op.name == "mine")
    assert kinds(expanded) == ["Dense"]
    assert kept == {expanded.get_layer("mine")}


def test_dtype_policies_are_kept():
    policy = keras.DTypePolicy("mixed_float16")
    options = {"dtype": policy}
    dense = layers.Dense(4, activation="tanh", **options)
    conv = layers.SeparableConv1D(4, 3, padding="same", **options)
    merge, mean = layers.Add(**options), layers.Average(**options)
    model = functional(
        lambda x: mean([merge([dense(x), conv(x), x]), x]), (6, 4)
    )
    expanded = check(model, tolerance=3e-2)
    assert expanded.outputs[0].dtype == "float16"
    policies = {layer.dtype_policy.name for layer in expanded.layers[1:]}
    assert policies == {"mixed_float16"}


def test_the_old_model_is_left_as_it_was():
    layer = layers.Dense(4, activation="tanh")
    model = randomized(functional(layer, (3,)))
    before = [ops.convert_to_numpy(w).copy() for w in model.weights]
    expanded, _ = expand(model)
    for weight in expanded.weights:
        weight.assign(weight * 0.0)
    assert len(layer._inbound_nodes) == 1
    assert layer.activation is keras.activations.tanh
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), old)
