import keras
import pytest
from keras import layers

import keras_eff
from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant
from keras_eff.layers.cloning import layers_of
from keras_eff.quantization.quantize import quantize
from keras_eff.quantization.widths import weight_widths


class Wide(layers.Dense):
    """A subclass, for which the width of its parent holds."""


@pytest.fixture(scope="module")
def model():
    shared = layers.Dense(4, name="shared")
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4, name="deep"), shared], name="inner"
    )
    outer = keras.Sequential([keras.Input((4,)), inner], name="outer")
    inputs = keras.Input((8, 4))
    x = layers.Conv1D(4, 1, name="conv")(inputs)
    x = layers.SeparableConv1D(4, 3, padding="same", name="sep")(x)
    x = layers.MultiHeadAttention(2, 2, name="mha")(x, x)
    x = keras_eff.layers.QRNN(4, name="qrnn")(x)
    return keras.Model(inputs, outer(x) + shared(x))


# The parts of which an integer file has weights.
PARTS = {
    "conv": {"conv"},
    "sep": {"sep_depthwise", "sep_pointwise"},
    "mha": {"mha_query", "mha_key", "mha_value", "mha_attention_output"},
    "qrnn": {"qrnn_convolution"},
    "deep": {"deep"},
    "shared": {"shared"},
}


def widths_of(model, num_bits):
    widths = weight_widths(model, num_bits)
    named = {operation.name: width for operation, width in widths.items()}
    return {name: named[name] for name in PARTS}


def named(**widths):
    return {name: widths.get(name, 8) for name in PARTS}


def test_an_integer_is_for_all(model):
    assert widths_of(model, 5) == dict.fromkeys(PARTS, 5)


@pytest.mark.parametrize(
    "num_bits, widths",
    [
        ({}, {}),
        ({"conv": 2, "mha": 6}, {"conv": 2, "mha": 6}),
        ({"deep": 4}, {"deep": 4}),
        ({"inner": 4}, {"deep": 4, "shared": 4}),
        ({"outer": 4, "inner": 3}, {"deep": 3, "shared": 3}),
        ({"outer": 4, "deep": 2}, {"deep": 2, "shared": 4}),
        ({"inner": 4, layers.Dense: 3}, {"deep": 4, "shared": 4}),
        ({layers.Dense: 3, "deep": 2}, {"deep": 2, "shared": 3}),
        ({keras_eff.layers.QRNN: 4}, {"qrnn": 4}),
        (
            {layers.Layer: 8, layers.Dense: 4, layers.Conv1D: 3},
            {"deep": 4, "shared": 4, "conv": 3},
        ),
    ],
    ids=[
        "none",
        "names",
        "deep",
        "nested",
        "nested in nested",
        "name in nested",
        "nested before class",
        "name before class",
        "composed class",
        "classes",
    ],
)
def test_names_and_classes_choose_layers(num_bits, widths, model):
    assert widths_of(model, num_bits) == named(**widths)


def test_a_function_is_asked_for_each_layer(model):
    widths = widths_of(
        model, lambda x: 3 if x.name in ("mha", "deep") else None
    )
    assert widths == named(mha=3, deep=3)


def test_the_nearest_class_counts():
    chain = [
        Wide(4, name="wide"),
        keras_eff.layers.PrunableDense(4, name="pruned"),
        layers.Dense(4, name="plain"),
    ]
    model = keras.Sequential([keras.Input((4,)), *chain])
    widths = weight_widths(model, {layers.Layer: 7, layers.Dense: 3, Wide: 2})
    assert [widths[layer] for layer in chain] == [2, 3, 3]
    pruned = keras_eff.layers.PrunableDense
    widths = weight_widths(model, {layers.Dense: 3, pruned: 5})
    assert [widths[layer] for layer in chain] == [3, 5, 3]


def rounded_widths(clone):
    return {
        layer.name: step.num_bits
        for layer in layers_of(clone, TransformedWeights)
        for step in layer.transforms
    }


def test_the_parts_of_a_layer_have_its_width(model):
    widths = dict(zip(PARTS, (2, 3, 4, 5, 6, 7), strict=True))
    assert rounded_widths(quantize(model, widths)) == {
        part: widths[name] for name, parts in PARTS.items() for part in parts
    }


def test_to_quantize_again_gives_the_widths_of_the_last_time(model):
    once = quantize(model, {"conv": 4, "qrnn": 3})
    again = rounded_widths(quantize(once, {"conv": 2, layers.Conv1D: 5}))
    assert again["conv"] == 2
    assert again["sep_pointwise"] == again["qrnn_convolution"] == 5
    assert again["sep_depthwise"] == again["deep"] == 8


def test_a_file_keeps_the_widths(tmp_path):
    small = keras.Sequential(
        [keras.Input((4,)), layers.Dense(4), layers.Dense(2, name="last")]
    )
    quantize(small, {"last": 3}).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    steps = layers_of(loaded, WeightFakeQuant)
    assert [step.num_bits for step in steps] == [8, 3]


@pytest.mark.parametrize(
    "num_bits, error, message",
    [
        ({"other": 4}, ValueError, r"'other': 4.*its layers are .*'conv'"),
        ({"conv": 9}, ValueError, r"`num_bits\[conv\]` .*\[2, 8\].*=9"),
        ({layers.Dense: 1}, ValueError, r"`num_bits\[Dense\]` .*=1"),
        ({3: 4}, TypeError, "layer names or layer classes"),
        (lambda layer: 1.5, ValueError, r"`num_bits\(\w+\)` .*=1.5"),
        ("conv", ValueError, "`num_bits` .*='conv'"),
        (layers.Dense, ValueError, "`num_bits` must be an integer"),
    ],
    ids=["name", "width", "class", "key", "function", "text", "type"],
)
def test_other_widths_are_refused(num_bits, error, message, model):
    with pytest.raises(error, match=message):
        quantize(model, num_bits)
