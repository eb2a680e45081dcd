"""Where each kind of operation has its FakeQuant, in words of one letter.

`Q` is a FakeQuant, `K` a KeepFloat; other operations go by their name.
"""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_eff.graph.walk import producer
from keras_eff.layers import FakeQuant
from keras_eff.layers import ProjectionLayer
from keras_eff.quantization.quantize import quantize
from keras_eff.quantization.rules import FIXED_RANGES

SHORT = {"FakeQuant": "Q", "KeepFloat": "K"}


def functional(function, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = function(*inputs)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


def word(operation):
    kind = type(operation).__name__
    is_layer = isinstance(operation, keras.layers.Layer)
    return SHORT.get(kind) or (kind if is_layer else operation.name)


def path(*functions, shape=(8, 8, 4)):
    """A quantized chain: Q, K, or the number of the function in it."""

    def chain(x):
        for function in functions:
            x = function(x)
        return x

    model = functional(chain, shape)
    known = [op.name for op in model.operations]
    found = quantize(model).operations[1:]
    words = [SHORT.get(type(op).__name__) or op.name for op in found]
    return " ".join(str(known.index(w)) if w in known else w for w in words)


def conv():
    return layers.Conv2D(4, 3, padding="same")


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(4, 3),
        layers.Conv2D(4, 3, activation="relu"),
        layers.DepthwiseConv2D(3, activation="relu6"),
        layers.Conv2DTranspose(4, 3),
        layers.Dense(4),
    ],
    ids=lambda layer: layer.name,
)
def test_weighted_layers_round_once_behind(layer):
    assert path(layer) == "Q 1 Q"


@pytest.mark.parametrize(
    "relu", [layers.ReLU(), layers.Activation("relu6"), ops.relu]
)
def test_normalization_and_relu_are_part_of_a_convolution(relu):
    norm = layers.BatchNormalization()
    assert path(conv(), norm, relu) == "Q 1 2 3 Q"
    assert path(conv(), norm) == "Q 1 2 Q"
    assert path(conv(), relu) == "Q 1 2 Q"
    assert path(conv(), relu, norm) == "Q 1 2 Q 3 Q"


def test_an_activation_of_its_own_keeps_normalization_apart():
    rectified = layers.Conv2D(4, 3, activation="relu")
    assert path(rectified, layers.BatchNormalization()) == "Q 1 Q 2 Q"


def test_normalization_and_relu_stand_alone_behind_what_is_rounded():
    norm, pool = layers.BatchNormalization(), layers.MaxPooling2D()
    assert path(norm, layers.ReLU()) == "Q 1 2 Q"
    assert path(pool, norm, layers.ReLU()) == "Q 1 2 3 Q"
    assert path(layers.ReLU()) == "Q 1 Q"


def test_layers_that_do_nothing_at_inference_part_nothing():
    drop, norm = layers.Dropout(0.5), layers.BatchNormalization()
    assert path(conv(), drop, norm, layers.ReLU()) == "Q 1 2 3 4 Q"
    assert path(conv(), drop, conv()) == "Q 1 Q 2 3 Q"
    again = layers.SpatialDropout2D(0.5)
    assert path(conv(), drop, again, FakeQuant()) == "Q 1 2 3 Q"


def test_the_first_rounding_is_behind_augmentation():
    flip, noise = layers.RandomFlip(), layers.GaussianNoise(0.1)
    assert path(flip, noise, conv()) == "1 2 Q 3 Q"
    augment = keras.Sequential([flip, layers.RandomZoom(0.1)])
    assert path(augment, conv()) == "1 Q 2 Q"


def test_what_moves_values_about_needs_no_rounding():
    for function in (
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.UpSampling2D(),
        layers.UpSampling2D(interpolation="bilinear"),
        layers.ZeroPadding2D(),
        lambda x: x[:, 1:],
        lambda x: ops.transpose(x, (0, 2, 1, 3)),
        lambda x: ops.max(x, axis=1),
    ):
        assert path(conv(), function) == "Q 1 Q 2"
        assert path(function, layers.Dense(2)) == "Q 1 2 Q"


def test_a_padding_with_another_number_stays_float():
    def pad(x):
        return ops.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)), constant_values=2)

    assert path(pad) == "Q 1 K Q"


def test_pooling_that_averages_is_rounded():
    for layer in (layers.AveragePooling2D(2), layers.GlobalAveragePooling2D()):
        assert path(conv(), layer) == "Q 1 Q 2 Q"
    assert path(lambda x: ops.mean(x, axis=(1, 2))) == "Q 1 Q"


def test_a_shift_of_the_input_is_rounded_on_both_sides():
    assert path(layers.Rescaling(1 / 127.5, -1.0), conv()) == "Q 1 Q 2 Q"
    shift = layers.Normalization(mean=[1, 2, 3, 4], variance=[1, 1, 1, 1])
    assert path(shift, conv()) == "Q 1 Q 2 Q"


def test_a_scaling_leaves_the_integers_as_they_are():
    assert path(layers.Rescaling(1 / 255), conv()) == "Q 1 2 Q"
    scales = layers.Normalization(mean=[0] * 4, variance=[4] * 4)
    assert path(scales, conv()) == "Q 1 2 Q"
    uneven = layers.Normalization(mean=[0] * 4, variance=[1, 1, 1, 4])
    assert path(uneven, conv()) == "Q 1 Q 2 Q"
    assert path(layers.Rescaling(-1.0), conv()) == "Q 1 Q 2 Q"


@pytest.mark.parametrize("name", sorted(FIXED_RANGES))
def test_the_range_behind_a_bounded_function_is_fixed(name):
    for activation in (layers.Activation(name), getattr(ops, name)):
        model = quantize(functional(activation, (4,)))
        first, last = (x for x in model.layers if isinstance(x, FakeQuant))
        assert first.fixed_range is None
        assert last.fixed_range == FIXED_RANGES[name]


@pytest.mark.parametrize(
    "activation",
    [
        layers.LeakyReLU(),
        layers.PReLU(),
        layers.Activation("gelu"),
        layers.Activation("swish"),
        ops.hard_silu,
        ops.abs,
    ],
)
def test_other_functions_are_rounded_on_both_sides(activation):
    assert path(conv(), activation) == "Q 1 Q 2 Q"


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + 3.0,
        lambda x: 3.0 - x,
        lambda x: x * np.ones(4, "float32"),
        lambda x: x / 2.0,
        lambda x: -x,
        ops.square,
        lambda x: x + x,
    ],
)
def test_arithmetic_is_rounded_on_both_sides(function):
    assert path(conv(), function, conv()) == "Q 1 Q 2 Q 3 Q"


def test_a_relu_behind_a_sum_is_part_of_it():
    assert path(lambda x: x + 3.0, layers.ReLU()) == "Q 1 2 Q"
    assert path(lambda x: x * x, ops.relu) == "Q 1 2 Q"


def test_products_of_two_tensors_are_rounded_on_both_sides():
    square = functional(lambda x: ops.matmul(x, x), (4, 4))
    words = [word(op) for op in quantize(square).operations]
    assert words == ["InputLayer", "Q", square.operations[1].name, "Q"]


def rounded_inputs(operation):
    """Which of the tensors that an operation reads are just rounded."""
    (node,) = operation._inbound_nodes
    makers = [producer(x) for x in node.input_tensors]
    return [isinstance(maker, FakeQuant) for maker in makers]


def branches(merge, *makers):
    """The merge layer of a quantized model with a branch for each maker."""
    model = functional(lambda x: merge([m(x) for m in makers]), (8, 8, 4))
    quantized = quantize(model)
    merged = quantized.get_layer(merge.name)
    return rounded_inputs(merged), quantized


@pytest.mark.parametrize(
    "merge", [layers.Concatenate(), layers.Maximum(), layers.Minimum()]
)
def test_what_is_joined_is_rounded_once_behind(merge):
    def block(x):
        x = layers.BatchNormalization()(conv()(x))
        return layers.ReLU()(x)

    rectified = layers.Conv2D(4, 3, padding="same", activation="relu")
    before, model = branches(merge, block, rectified, conv(), lambda x: x)
    assert before == [False, False, False, True]
    assert isinstance(model.layers[-1], FakeQuant)
    assert sum(isinstance(x, FakeQuant) for x in model.layers) == 2


def test_bare_joins_are_like_layers():
    def joined(x):
        return ops.concatenate([ops.relu(conv()(x)), ops.tanh(x)])

    *_, join, last = quantize(functional(joined, (8, 8, 4))).operations
    assert rounded_inputs(join) == [False, True]
    assert word(last) == "Q"


@pytest.mark.parametrize("merge", [layers.Add(), layers.Multiply()])
def test_the_terms_of_arithmetic_are_each_rounded(merge):
    before, _ = branches(merge, conv(), conv())
    assert before == [True, True]


def test_a_residual_block_rounds_each_tensor_once():
    def block(x):
        y = layers.ReLU()(layers.BatchNormalization()(conv()(x)))
        y = layers.BatchNormalization()(conv()(y))
        return layers.ReLU()(layers.Add()([x, y]))

    model = quantize(functional(lambda x: block(block(x)), (8, 8, 4)))
    rounds = [x for x in model.layers if isinstance(x, FakeQuant)]
    assert len(rounds) == 1 + 2 * 3


def test_embeddings_are_rounded_behind_the_table():
    ids = keras.Input((5,), dtype="int32")
    table = layers.Embedding(7, 4)
    model = quantize(keras.Model(ids, layers.ReLU()(table(ids))))
    assert [word(op) for op in model.operations[1:]] == [
        "TransformedWeights",
        "Q",
        "ReLU",
        "Q",
    ]


def test_operations_on_integers_are_left_alone():
    ids = keras.Input((5,), dtype="int32")
    shifted = ops.maximum((ids[:, 1:] + 1) * 2, 0)
    model = quantize(keras.Model(ids, layers.Embedding(20, 4)(shifted)))
    words = [word(op) for op in model.operations[1:]]
    assert words.count("Q") == 1 and words[-1] == "Q"
    result = model(np.array([[0, 1, 2, 3, 4]]))
    assert result.shape == (1, 4, 4)


def test_integers_that_become_floats_without_a_kernel_stay_float():
    ids = keras.Input((5,), dtype="int32")
    floats = ops.one_hot(ids, 3)
    model = quantize(keras.Model(ids, layers.Dense(2)(floats)))
    words = [word(op) for op in model.operations[2:]]
    assert words == ["K", "Q", "TransformedWeights", "Q"]


def test_small_integers_become_floats_of_a_step_of_one():
    ids = keras.Input((5,), dtype="int32")
    projected = ProjectionLayer(4)(ids)
    present = ops.cast(ops.expand_dims(ids != 0, -1), "float32")
    model = quantize(keras.Model(ids, projected * present))
    rounds = [x for x in model.layers if isinstance(x, FakeQuant)]
    assert [x.fixed_range for x in rounds[:2]] == [(-128.0, 127.0)] * 2
    assert rounds[2].fixed_range is None


def test_the_range_of_other_integers_follows_the_data():
    ids = keras.Input((5,), dtype="int32")
    model = quantize(keras.Model(ids, ops.cast(ids, "float32")))
    (rounding,) = [x for x in model.layers if isinstance(x, FakeQuant)]
    assert rounding.fixed_range is None


def test_a_cast_between_floats_stays_float():
    assert path(lambda x: ops.cast(x, "float16")) == "Q 1 K Q"


def test_layers_that_stay_float_are_kept_apart():
    assert path(layers.LayerNormalization(), conv()) == "Q 1 K Q 2 Q"
    assert path(conv(), layers.ELU()) == "Q 1 Q 2 K Q"
    assert path(layers.ELU(), layers.ELU()) == "Q 1 2 K Q"
    assert path(layers.ELU(), layers.Flatten()) == "Q 1 2 K Q"
    assert path(layers.ELU(), layers.ReLU()) == "Q 1 2 K Q"
    assert path(layers.ELU(), layers.Dropout(0.1)) == "Q 1 2 K Q"


def test_masked_layers_that_heed_the_mask_stay_float():
    ids = keras.Input((5,), dtype="int32")
    x = layers.Embedding(7, 4, mask_zero=True)(ids)
    model = keras.Model(ids, layers.GlobalAveragePooling1D()(x))
    quantized = quantize(model)
    assert "K" in [word(op) for op in quantized.operations]
    values = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 1]])
    np.testing.assert_allclose(quantized(values), model(values), atol=1e-2)
