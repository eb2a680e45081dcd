import keras
import numpy as np
import pytest
from keras import layers

import keras_eff
from keras_eff.layers import PrunableDense
from keras_eff.pruning.sparsity import Sparsity
from keras_eff.pruning.sparsity import WeightSparsity
from keras_eff.pruning.sparsity import sparsity


def model_of(*parts, shape=(8,)):
    return keras.Sequential([keras.Input(shape), *parts])


def entries(model):
    return [(w.name, w.num_weights, w.num_zeros) for w in found(model)]


def found(model):
    return sparsity(model).weights


def test_weights_of_two_axes_or_more_are_counted():
    model = model_of(
        layers.Conv2D(2, 3, name="conv"),
        layers.BatchNormalization(),
        layers.Flatten(),
        layers.Dense(3, kernel_initializer="zeros", name="dense"),
        shape=(5, 5, 1),
    )
    assert entries(model) == [("conv", 18, 0), ("dense", 54, 54)]


def test_zeros_are_counted_one_by_one():
    dense = layers.Dense(2, name="dense")
    model = model_of(dense, shape=(3,))
    dense.kernel.assign(np.array([[0, 1], [2, 0], [-0.0, 1e-30]]))
    assert entries(model) == [("dense", 6, 3)]


def test_masked_weights_are_zero_whatever_is_stored():
    model = model_of(PrunableDense(2, name="dense"))
    (layer,) = model.layers
    layer.transforms[0].prune(0.75, np.ones((8, 2)))
    layer.kernel.assign(np.ones((8, 2)))
    assert entries(model) == [("dense", 16, 12)]


def test_weights_that_round_to_zero_are_zero():
    model = model_of(layers.Dense(1, name="dense"))
    kernel = np.float32([[1.0], [0.6], [0.4], [0.1], [0.0], [-0.1], [-1], [0]])
    model.layers[0].kernel.assign(kernel)
    assert entries(model) == [("dense", 8, 2)]
    assert entries(keras_eff.quantize(model, 2)) == [("dense", 8, 5)]


def test_a_layer_with_several_weights_names_them():
    layer = layers.SeparableConv1D(2, 3, name="separable")
    assert entries(model_of(layer, shape=(5, 4))) == [
        ("separable/depthwise_kernel", 12, 0),
        ("separable/pointwise_kernel", 8, 0),
    ]


def test_weights_inside_layers_are_counted_once():
    shared = layers.Dense(8, name="shared")
    attention = layers.MultiHeadAttention(2, 3, name="attention")
    inputs = keras.Input((5, 8))
    inner = keras.Sequential([keras.Input((5, 8)), shared], name="inner")
    x = shared(inner(inputs))
    model = keras.Model(inputs, attention(x, x))
    counts = {name: size for name, size, _ in entries(model)}
    assert counts["shared"] == 64
    assert sum(counts.values()) == 64 + 4 * 48


@pytest.mark.parametrize(
    "layer, size",
    [
        (layers.GRU(2), 4 * 6 + 2 * 6),
        (layers.LayerNormalization(axis=(1, 2)), 0),
        (layers.EinsumDense("abc,cd->abd", (3, 2), bias_axes="bd"), 8),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_biases_and_norms_of_two_axes_are_not_counted(layer, size):
    model = model_of(layers.Conv1D(4, 1), layer, shape=(3, 4))
    assert sum(count for _, count, _ in entries(model)) == 16 + size


def test_the_total_weights_by_size():
    weights = (WeightSparsity("a", 10, 5), WeightSparsity("b", 30, 0))
    total = Sparsity(weights).total
    assert (total.num_weights, total.num_zeros) == (40, 5)
    assert total.sparsity == 0.125 and weights[0].sparsity == 0.5


def test_zeros_save_macs_where_a_weight_is_used_often():
    model = model_of(
        layers.Conv2D(2, 3, kernel_initializer="zeros", name="conv"),
        layers.Flatten(),
        layers.Dense(3, name="dense"),
        shape=(5, 5, 1),
    )
    result = sparsity(model)
    assert [w.num_macs for w in result.weights] == [18 * 9, 54]
    assert result.macs_sparsity == 18 * 9 / (18 * 9 + 54)
    assert str(result).endswith("MACs with a zero: 0.750")


class Mixing(layers.Layer):
    """A layer whose kernel has a name of its own."""

    def build(self, input_shape):
        self.matrix = self.add_weight((input_shape[-1], 2), name="matrix")

    def call(self, inputs):
        return inputs @ self.matrix


def test_what_a_pruned_model_leaves_dense_has_its_reason():
    parts = layers.LSTM(4, name="memory"), Mixing(name="mixing")
    model = model_of(*parts, layers.Dense(3, name="last"), shape=(3, 8))
    pruned = keras_eff.prune(model, 0.5, skip=["mixing", "last"])
    reasons = {w.name: w.reason for w in found(pruned)}
    assert reasons["memory/cell/kernel"] is None
    assert reasons["last"] == "no mask"
    assert reasons["mixing"].endswith("Mixing has weights of its own names")
    assert {x.reason for x in found(model)} == {None}


def test_the_macs_of_a_subclassed_model_are_not_known():
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    model = Subclassed()
    model(np.ones((1, 4)))
    assert sparsity(model).macs_sparsity is None
    assert "MACs" not in str(sparsity(model))


def test_it_prints_as_a_table():
    table = Sparsity(
        (WeightSparsity("a_long_name", 12345, 1234), WeightSparsity("b", 8, 8))
    )
    assert str(table).splitlines() == [
        "weight       entries  sparsity",
        "a_long_name   12,345     0.100",
        "b                  8     1.000",
        "total         12,353     0.101",
    ]


@pytest.mark.parametrize(
    "model",
    [
        keras.Sequential([layers.Dense(2)], name="mine"),
        keras.Sequential([PrunableDense(2)], name="mine"),
        keras.Sequential([keras.Input((2,)), layers.ReLU()], name="mine"),
    ],
    ids=["not_built", "prunable_not_built", "no_weight"],
)
def test_a_model_without_weights_is_refused(model):
    with pytest.raises(ValueError, match="must be built .*model 'mine'"):
        sparsity(model)


def test_states_and_slopes_are_not_weights():
    model = keras.Sequential(
        [
            keras.Input((3, 4), batch_size=2),
            layers.LSTM(2, stateful=True, name="lstm"),
            layers.PReLU(),
            layers.Dense(3),
        ]
    )
    model(np.ones((2, 3, 4), "float32"))
    assert sum(size for _, size, _ in entries(model)) == 32 + 16 + 6


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match="`model` must be a `keras.Model`"):
        keras_eff.sparsity("model.keras")
