import keras
import pytest
from keras import layers

from keras_eff.graph.end_names import end_names
from keras_eff.layers import FakeQuant
from keras_eff.quantization.quantize import quantize


@keras.saving.register_keras_serializable(package="keras_eff_tests")
class MyBlock(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(4)

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, inputs):
        return keras.ops.softmax(self.dense(inputs))


def dict_of_outputs():
    x = keras.Input((8,))
    probs = layers.Dense(3, activation="softmax", name="probs")(x)
    clipped = keras.ops.clip(layers.Dense(2, name="raw")(x), 0, 1)
    return keras.Model(x, {"p": probs, "c": clipped})


def bare_operations_and_activations():
    x = keras.Input((8,), name="features")
    probs = layers.Dense(3, activation="softmax", name="probs")(x)
    outputs = [probs, keras.ops.clip(layers.Dense(2)(x), 0, 1)]
    return keras.Model(x, [*outputs, layers.Dense(4, activation="gelu")(x)])


def sequential():
    return keras.Sequential(
        [keras.Input((8,)), layers.Dense(4, activation="tanh")]
    )


def nested():
    x = keras.Input((8,))
    return keras.Model(x, sequential()(x))


def opened_and_float_layers():
    x = keras.Input((6, 8))
    attended = layers.MultiHeadAttention(2, 4)(x, x)
    outputs = [attended, layers.LayerNormalization()(x), MyBlock()(x)]
    return keras.Model(x, [*outputs, *layers.LSTM(3, return_state=True)(x)])


def structures_of_inputs_and_outputs():
    a, b = keras.Input((4,), name="a"), keras.Input((4,))
    total = layers.Add()([a, b])
    return keras.Model([a, b], {"x": {"y": total, "z": [a * 2, b * 3]}})


def the_same_again():
    x = keras.Input((8,))
    dense, twice = layers.Dense(3), layers.Dense(2, name="twice")(x)
    return keras.Model(x, [x, dense(x), dense(x * 2), twice, twice])


def names_like_those_of_keras():
    x = keras.Input((8,), name="dense")
    given = ("layer_2", "head_1", "conv2d_b")
    return keras.Model(
        x, [layers.Dense(2, name=name)(x) for name in (*given, "dense_7")]
    )


def rounded_by_hand():
    x = keras.Input((8,))
    rounding = FakeQuant(fixed_range=(-4.0, 4.0), name="out")
    return keras.Model(x, rounding(layers.Dense(2)(x)))


CASES = {
    dict_of_outputs: (["input_layer"], ["c", "p"]),
    bare_operations_and_activations: (
        ["features"],
        ["probs", "clip", "dense"],
    ),
    sequential: (["input_layer"], ["dense"]),
    nested: (["input_layer"], ["sequential"]),
    opened_and_float_layers: (
        ["input_layer"],
        [
            *("multi_head_attention", "layer_normalization", "my_block"),
            *("lstm", "lstm_1", "lstm_2"),
        ],
    ),
    structures_of_inputs_and_outputs: (
        ["a", "input_layer"],
        ["x_y", "x_z", "x_z_1"],
    ),
    the_same_again: (
        ["input_layer"],
        ["input_layer", "dense", "dense_1", "twice", "twice_1"],
    ),
    names_like_those_of_keras: (
        ["dense"],
        ["layer_2", "head_1", "conv2d_b", "dense"],
    ),
    rounded_by_hand: (["input_layer"], ["out"]),
}


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_names_are_the_same_whatever_was_made_before_or_quantized(
    make, tmp_path
):
    for _ in range(2):
        # The second model has other numbers in the names of Keras.
        model = make()
        assert end_names(model) == CASES[make]
    quantized = quantize(model)
    assert end_names(quantized) == CASES[make]
    quantized.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert end_names(loaded) == CASES[make]


def test_keys_of_a_dict_of_inputs_win():
    x = keras.Input((4,), name="a")
    assert end_names(keras.Model({"a": x}, {"a": x * 2})) == (["a"], ["a"])


@pytest.mark.parametrize(
    "kind",
    [
        *(layers.Conv2DTranspose, layers.ReLU, layers.PReLU, layers.LSTM),
        *(layers.GlobalAveragePooling2D, layers.UpSampling2D, FakeQuant),
        *(
            layers.RandomRotation,
            layers.STFTSpectrogram,
            layers.RMSNormalization,
        ),
    ],
)
def test_the_names_that_keras_gives_lose_their_number(kind):
    argument = {
        layers.Conv2DTranspose: (2, 3),
        layers.LSTM: (2,),
        layers.RandomRotation: (0.1,),
    }
    made = [kind(*argument.get(kind, ())).name for _ in range(3)]
    x = keras.Input((8,))
    outputs = [layers.Dense(2, name=name)(x) for name in made[1:2]]
    (name,) = end_names(keras.Model(x, outputs))[1]
    assert made[1] == f"{name}_{made[1].rpartition('_')[2]}"
