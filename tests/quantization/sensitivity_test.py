import keras
import numpy as np
import pytest
from keras import layers

import keras_eff
from keras_eff.quantization import quantization_sensitivity

SAMPLES = np.random.default_rng(0).standard_normal((24, 6, 6, 3), "float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    inner = keras.Sequential(
        [keras.Input((4, 4, 8)), layers.Conv2D(8, 1, name="deep")],
        name="inner",
    )
    inputs = keras.Input((6, 6, 3), name="images")
    x = layers.SeparableConv2D(8, 3, name="separable")(inputs)
    x = inner(x) + inner(2 * x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(inputs, layers.Dense(10, name="head")(x))


@pytest.fixture(scope="module")
def sensitivity(model):
    return quantization_sensitivity(model, SAMPLES, (8, 3), batch_size=10)


def round_kernel(kernel, num_bits, channel_axes):
    """The rounding of a weight, one channel after the other."""
    rounded = np.moveaxis(kernel.copy(), channel_axes, range(len(channel_axes)))
    view = rounded.reshape(-1, *rounded.shape[len(channel_axes) :])
    for channel in view:
        step = np.abs(channel).max() / (2 ** (num_bits - 1) - 1)
        channel[...] = np.rint(channel / step) * step
    rounded = view.reshape(rounded.shape)
    return np.moveaxis(rounded, range(len(channel_axes)), channel_axes)


def effect(sensitivity, layer, kind, num_bits):
    (found,) = [
        x
        for x in sensitivity.effects
        if (x.layer, x.kind, x.num_bits) == (layer, kind, num_bits)
    ]
    return found


def noise(expected, outputs):
    return np.sum((outputs - expected) ** 2.0) / np.sum(expected**2.0)


KERNELS = {
    "separable": ((0, (2, 3)), (1, (3,))),
    "deep": ((0, (3,)),),
    "head": ((0, (1,)),),
}


@pytest.mark.parametrize("num_bits", [8, 3])
@pytest.mark.parametrize("name", KERNELS)
def test_weights_are_rounded_in_one_layer_alone(
    name, num_bits, model, sensitivity
):
    expected = keras.ops.convert_to_numpy(model(SAMPLES))
    owner = model.get_layer("inner") if name == "deep" else model
    layer = owner.get_layer(name)
    weights = layer.get_weights()
    rounded = list(weights)
    for place, axes in KERNELS[name]:
        rounded[place] = round_kernel(weights[place], num_bits, axes)
    layer.set_weights(rounded)
    outputs = keras.ops.convert_to_numpy(model(SAMPLES))
    layer.set_weights(weights)
    found = effect(sensitivity, name, "weights", num_bits)
    assert found.noise == pytest.approx(noise(expected, outputs), rel=2e-2)
    assert found.sqnr_db == pytest.approx(-10 * np.log10(found.noise))
    same = expected.argmax(-1) == outputs.argmax(-1)
    assert found.agreement == pytest.approx(same.mean())
    count = sum(weights[place].size for place, _ in KERNELS[name])
    assert found.size_bytes == -(-count * num_bits // 8)


def test_the_result_of_one_operation_alone_is_rounded(model, sensitivity):
    expected = keras.ops.convert_to_numpy(model(SAMPLES))
    low, high = min(SAMPLES.min(), 0), SAMPLES.max()
    step = (high - low) / 255
    zero = np.rint(-low / step)
    indices = np.clip(np.rint(SAMPLES / step + zero), 0, 255)
    outputs = keras.ops.convert_to_numpy(model((indices - zero) * step))
    found = effect(sensitivity, "images", "activations", 8)
    assert found.noise == pytest.approx(noise(expected, outputs), rel=2e-2)
    assert found.size_bytes == 0


def test_every_rounding_of_the_quantized_model_is_there(model, sensitivity):
    quantized = keras_eff.quantize(model)
    names = {
        x.name.removesuffix("_fake_quant")
        for graph in (quantized, quantized.get_layer("inner"))
        for x in graph.layers
        if isinstance(x, keras_eff.layers.FakeQuant)
    }
    kinds = {kind: set() for kind in ("weights", "activations")}
    for row in sensitivity.effects:
        kinds[row.kind].add(row.layer)
    assert kinds["activations"] == names
    assert kinds["weights"] == set(KERNELS)


def test_the_model_is_left_as_it_was(model):
    before = model.get_weights()
    quantization_sensitivity(model, SAMPLES[:4], 2)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_its_choice_is_one_that_quantize_takes(model, sensitivity):
    widths = sensitivity.mixed_precision(size_bytes=200)
    assert set(widths) == set(KERNELS)
    quantized = keras_eff.quantize(model, widths)
    head = quantized.get_layer("head")
    assert head.transforms[-1].num_bits == widths["head"]


def test_a_quantized_or_pruned_model_is_one_more_model(model):
    pruned = keras_eff.prune(keras_eff.quantize(model), 0.5, skip=())
    keras_eff.calibrate(pruned, SAMPLES)
    found = quantization_sensitivity(pruned, SAMPLES, 8)
    assert {x.layer for x in found.effects if x.kind == "weights"} > {"head"}


def test_several_outputs_and_single_numbers_are_compared():
    inputs = keras.Input((4,))
    outputs = {
        "class": layers.Dense(3, name="a")(inputs),
        "size": layers.Dense(1, name="b")(inputs),
    }
    samples = np.random.default_rng(0).standard_normal((9, 4), "float32")
    model = keras.Model(inputs, outputs)
    found = quantization_sensitivity(model, samples, 4)
    assert effect(found, "a", "weights", 4).noise > 0
    assert effect(found, "b", "weights", 4).agreement == 1.0


def test_progress_is_shown_when_asked_for(model, capsys):
    quantization_sensitivity(model, SAMPLES[:4], 8, verbose=1)
    assert "11/11" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_bits": 9}, "num_bits=9"),
        ({"num_bits": (8, 1)}, "num_bits=1"),
        ({"num_bits": ()}, "at least one"),
        ({"verbose": 3}, "verbose=3"),
        ({"samples": SAMPLES[:, :5]}, "`samples` must have shape"),
    ],
    ids=["wide", "thin", "none", "verbose", "samples"],
)
def test_arguments_out_of_range_are_refused(options, message, model):
    options = {"samples": SAMPLES, **options}
    with pytest.raises(ValueError, match=message):
        quantization_sensitivity(model, **options)


def test_what_is_not_a_keras_model_is_refused():
    with pytest.raises(TypeError, match="quantization_sensitivity"):
        quantization_sensitivity("model.keras", SAMPLES)
