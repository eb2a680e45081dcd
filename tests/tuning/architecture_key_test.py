import keras
import pytest

import keras_eff
from keras_eff.tuning.architecture_key import architecture_key

layers = keras.layers


def functional(units=4, rate=0.5, prefix="a", skip="first", **options):
    inputs = keras.Input((6,), name=f"{prefix}_in")
    first = layers.Dense(6, name=f"{prefix}_1", **options)(inputs)
    second = layers.Dense(6, name=f"{prefix}_2")(first)
    dropped = layers.Dropout(rate, seed=3)(second)
    added = layers.Add()([dropped, first if skip == "first" else inputs])
    outputs = layers.Dense(units, name=f"{prefix}_3")(added)
    return keras.Model(inputs, outputs, name=prefix)


def nested(prefix):
    inner = functional(prefix=prefix)
    inputs = keras.Input((6,))
    return keras.Model(inputs, inner(inner.layers[1](inputs)))


KEY = architecture_key(functional())


@pytest.mark.parametrize(
    "options",
    [
        {"prefix": "b"},
        {"rate": 0.1},
        {"kernel_initializer": "he_normal"},
        {"kernel_regularizer": "l2"},
        {"kernel_constraint": "non_neg"},
        {"trainable": False},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_training_alone_sees_makes_no_difference(options):
    assert architecture_key(functional(**options)) == KEY


def test_weights_and_compilation_make_no_difference():
    model = functional()
    model.set_weights([x + 1 for x in model.get_weights()])
    model.compile("adam", "mse")
    assert architecture_key(model) == KEY


@pytest.mark.parametrize(
    "options",
    [
        {"units": 5},
        {"skip": "input"},
        {"activation": "relu"},
        {"use_bias": False},
        {"dtype": "mixed_float16"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_the_file_computes_makes_a_difference(options):
    assert architecture_key(functional(**options)) != KEY


def test_a_name_does_not_hide_an_argument_of_the_same_text():
    def model(name):
        return keras.Sequential(
            [keras.Input((3,)), layers.Dense(2, activation=name, name=name)]
        )

    assert architecture_key(model("relu")) != architecture_key(model("tanh"))


def test_names_inside_nested_models_make_no_difference():
    assert architecture_key(nested("a")) == architecture_key(nested("b"))


def test_the_input_shape_makes_a_difference():
    def model(size):
        pool = layers.GlobalAveragePooling2D()
        return keras.Sequential([keras.Input((size, size, 3)), pool])

    assert architecture_key(model(8)) != architecture_key(model(9))


def test_widths_of_quantization_make_a_difference():
    def key(num_bits):
        return architecture_key(keras_eff.quantize(functional(), num_bits))

    assert key(8) == key(8)
    assert len({key(4), key(8), KEY}) == 3


def test_circumstances_make_a_difference():
    keys = [architecture_key(functional(), n=n) for n in (1, 1, 2)]
    assert keys[0] == keys[1] != keys[2]
