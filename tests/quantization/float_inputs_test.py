"""Which operations read a float input before it is rounded, as one word each.

`Q` is a FakeQuant, `K` a KeepFloat; other operations go by their name.
"""

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_eff
from keras_eff.graph.walk import readers_of
from keras_eff.layers import FakeQuant
from keras_eff.quantization.fake_quant_placement import Placement
from keras_eff.quantization.rules import RULES

SHORT = {"FakeQuant": "Q", "KeepFloat": "K"}


def dense(name):
    return layers.Dense(4, name=name)


def scaling(name="scale"):
    return layers.Normalization(mean=[0.5, 5e3], variance=[1, 1e7], name=name)


def readers(function, shape=(2,), **options):
    """What reads the input of the quantized model, in alphabetical order."""
    inputs = keras.Input(shape)
    model = keras_eff.quantize(keras.Model(inputs, function(inputs)), **options)
    found = readers_of(model, model.inputs[0])
    return sorted(SHORT.get(type(x).__name__) or x.name for x in found)


def chain(*steps):
    def call(x):
        for step in steps:
            x = step(x)
        return x

    return call


def test_a_first_layer_that_is_skipped_reads_the_input_as_it_is():
    first = chain(dense("a"), dense("b"))
    assert readers(first) == ["Q"]
    assert readers(first, skip="a") == ["a"]
    assert readers(first, skip="b") == ["Q"]
    assert readers(chain(layers.Dropout(0.1, name="d"), first), skip="a") == [
        "d"
    ]


def test_what_others_read_too_is_rounded_for_those_alone():
    def fork(x):
        return dense("a")(x) + dense("b")(x)

    assert readers(fork, skip="b") == ["Q", "b"]


def test_a_skipped_layer_that_reads_what_is_joined_first():
    def joined(x):
        pair = layers.Concatenate(name="join")([x[:, :1], x[:, 1:]])
        return dense("a")(pair)

    names = readers(joined, skip="a")
    assert "Q" not in names and len(names) == 2
    assert readers(joined) == ["Q"]


def test_skipped_layers_inside_a_nested_model():
    inner = keras.Sequential([keras.Input((2,)), scaling()], name="inner")
    model = chain(inner, dense("a"))
    assert readers(model) == ["Q"]
    for skip in ("scale", "inner"):
        assert readers(model, skip=skip) == ["inner"]
    assert readers(model, io_dtype="float32") == ["inner"]
    assert readers(chain(inner, inner), skip="scale") == ["inner"]


@pytest.mark.parametrize(
    "first",
    [
        scaling("first"),
        layers.Rescaling([0.1, 2.0], name="first"),
        layers.BatchNormalization(name="first"),
        layers.LayerNormalization(name="first"),
        layers.ELU(name="first"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_float_inputs_are_read_by_what_scales_features_or_is_float(first):
    model = chain(first, dense("a"))
    assert readers(model, io_dtype="float32") == ["first"]
    for io_dtype in (None, "int8", "uint8"):
        assert readers(model, io_dtype=io_dtype) == ["Q"]


def test_arithmetic_with_a_number_for_each_feature_scales_them():
    mean, deviation = np.array([0.5, 5e3]), np.array([1.0, 3e3])

    def scaled(x):
        return dense("a")((x - mean) / deviation)

    inputs = keras.Input((2,))
    plain = keras.Model(inputs, scaled(inputs))
    model = keras_eff.quantize(plain, io_dtype="float32")
    rounds = [x for x in model.layers if isinstance(x, FakeQuant)]
    assert len(rounds) == 2
    assert readers(scaled) == ["Q"]


def test_one_number_for_all_features_is_rounded_before():
    for first in (layers.Rescaling(0.1, 1.0), lambda x: x * 3.0, dense("b")):
        assert readers(chain(first, dense("a")), io_dtype="float32") == ["Q"]


def test_what_scales_a_float_input_is_named_as_float():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, dense("a")(scaling()(inputs)))
    placement = Placement(RULES, lambda op: False, lambda op: 8, {}, None, True)
    placement.rewrite(model)
    assert placement.floats == {"scale": "scales a float input"}
    assert placement.integer == ["a"]


def test_a_quantized_clone_reads_its_input_the_same_way():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, dense("a")(scaling()(inputs)))
    once = keras_eff.quantize(model, io_dtype="float32")
    again = keras_eff.quantize(once)
    assert [x.name for x in again.layers] == [x.name for x in once.layers]


def test_the_type_of_the_ends_must_be_one_of_a_file_of_integers():
    model = keras.Sequential([keras.Input((2,)), dense("a")])
    with pytest.raises(ValueError, match="io_dtype='float16'"):
        keras_eff.quantize(model, io_dtype="float16")


def test_integers_are_never_floats_first():
    ids = keras.Input((3,), dtype="int32")
    model = keras.Model(ids, ops.one_hot(ids, 4))
    aware = keras_eff.quantize(model, io_dtype="float32")
    assert isinstance(aware.layers[-1], FakeQuant)
