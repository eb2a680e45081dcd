import keras
import numpy as np
import pytest
from keras import layers

import keras_eff
from keras_eff.export.preparation import prepare
from keras_eff.export.preparation import warn_of_lost_features
from keras_eff.export.preparation import weight_bits
from keras_eff.layers import FakeQuant
from keras_eff.layers.cloning import layers_of

SAMPLES = [np.linspace(-1, 1, 160, dtype="float32").reshape(10, 16)]


@pytest.fixture
def model():
    return keras.Sequential(
        [keras.Input((16,)), layers.Dense(32), layers.Dense(32)]
    )


@pytest.mark.parametrize("name", ["float32", "float16", "dynamic", "int16x8"])
def test_what_the_converter_rounds_is_the_model_itself(name, model):
    assert prepare(model, name, SAMPLES, "minmax") is model


@pytest.mark.parametrize("name, num_bits", [("int8", 8), ("int4", 4)])
def test_integers_are_calibrated_on_the_samples(name, num_bits, model):
    prepared = prepare(model, name, SAMPLES, "minmax")
    first, *_ = layers_of(prepared, FakeQuant)
    assert first.range == (-1.0, 1.0)
    assert weight_bits(prepared) == [num_bits]


def test_the_search_for_ranges_shows_its_progress_if_asked(model, capsys):
    for verbose, shown in ((0, False), (1, True)):
        prepare(model, "int8", SAMPLES, "minmax", verbose=verbose)
        assert ("1/1" in capsys.readouterr().out) == shown


@pytest.mark.parametrize("num_bits", [8, 4])
def test_weight_only_rounds_weights_alone(num_bits, model):
    name = f"weight_only_int{num_bits}"
    prepared = prepare(model, name, None, "minmax")
    assert not layers_of(prepared, FakeQuant)
    assert weight_bits(prepared) == [num_bits]


def test_a_model_that_rounds_is_the_one(model):
    num_bits = dict(zip([x.name for x in model.layers], [3, 6], strict=True))
    aware = keras_eff.quantize(model, num_bits)
    keras_eff.calibrate(aware, *SAMPLES)
    assert prepare(aware, "int4", None, "minmax") is aware
    assert weight_bits(aware) == [3, 6]


@pytest.mark.parametrize("num_bits", [8, 5])
def test_4_bits_need_a_weight_of_4_bits_or_fewer(num_bits, model):
    aware = keras_eff.quantize(model, num_bits)
    keras_eff.calibrate(aware, *SAMPLES)
    with pytest.raises(ValueError, match=rf"weights of \[{num_bits}\] bits"):
        prepare(aware, "int4", None, "minmax")


def test_ranges_that_have_seen_nothing_are_refused(model):
    with pytest.raises(ValueError, match="Received: no range in"):
        prepare(keras_eff.quantize(model), "int8", None, "minmax")


def test_activations_of_other_widths_are_refused(model):
    aware = keras_eff.quantize(model, activation_bits=6)
    keras_eff.calibrate(aware, *SAMPLES)
    with pytest.raises(ValueError, match=r"num_bits=\[6\]"):
        prepare(aware, "int8", None, "minmax")


def features():
    """A feature in [0, 1] that decides, and one in [0, 10000]."""
    generator = np.random.default_rng(0)
    small, large = generator.uniform(size=(2, 300))
    return np.stack([small, 1e4 * large], axis=1).astype("float32")


def classifier(*first):
    """Answers whether the first feature is above one half."""
    dense = layers.Dense(2, name="answer")
    model = keras.Sequential([keras.Input((2,), name="x"), *first, dense])
    dense.kernel.assign([[-4.0, 4.0], [0.0, 0.0]])
    return model


def normalization():
    return layers.Normalization(
        mean=[0.5, 5e3], variance=[1 / 12, 1e8 / 12], name="scale"
    )


def dtypes(path):
    contents = keras_eff.export.inspect(path)
    ends = (contents.inputs, contents.outputs)
    return [[tensor.dtype for tensor in tensors] for tensors in ends]


def test_each_feature_has_a_resolution_where_the_input_is_float(
    tmp_path, caplog
):
    samples, path = features(), tmp_path / "m.tflite"
    model = classifier(normalization())
    with pytest.raises(RuntimeError, match="Most signal is lost in 'scale'"):
        keras_eff.export.to_tflite(model, path, "int8", samples)
    assert "Input 'x': features [0] vary by less than 39.2" in caplog.text
    caplog.clear()
    fine = keras_eff.export.to_tflite(
        model, path, "int8", samples, io_dtype="float32"
    )
    assert fine.float_agreement > 0.98
    assert "vary by less" not in caplog.text
    assert dtypes(path) == [["float32"], ["float32"]]


@pytest.mark.parametrize("io_dtype", ["int8", "uint8"])
def test_what_is_skipped_first_makes_a_float_input(io_dtype, tmp_path):
    samples, path = features(), tmp_path / "m.tflite"
    aware = keras_eff.quantize(classifier(normalization()), skip="scale")
    keras_eff.calibrate(aware, samples)
    report = keras_eff.export.to_tflite(
        aware, path, samples=samples, io_dtype=io_dtype
    )
    assert dtypes(path) == [["float32"], [io_dtype]]
    assert report.agreement > 0.98 and report.mean_lsb < 0.5


def test_float_and_integer_inputs_in_one_file(tmp_path):
    """One of them is read both as it is and rounded."""
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    both = layers.Dense(4)(a)
    scaled = layers.Dense(4)(normalization()(a))
    model = keras.Model([a, b], both + scaled + layers.Dense(4)(b))
    generator = np.random.default_rng(0)
    samples = [features(), generator.standard_normal((300, 3), "float32")]
    aware = keras_eff.quantize(model, skip="scale")
    keras_eff.calibrate(aware, samples)
    path = tmp_path / "m.tflite"
    report = keras_eff.export.to_tflite(aware, path, samples=samples)
    assert dtypes(path) == [["float32", "int8"], ["int8"]]
    assert report.mean_lsb < 0.5


def test_features_of_one_value_or_of_enough_are_not_lost(caplog):
    aware = keras_eff.quantize(classifier())
    for spread, is_lost in ((0.0, False), (0.9, True), (1.1, False)):
        samples = np.zeros((8, 2), "float32")
        samples[::2] = [spread, 255.0]
        keras_eff.calibrate(aware, samples)
        caplog.clear()
        warn_of_lost_features(aware, [samples])
        assert ("features [0] vary" in caplog.text) == is_lost


def test_many_lost_features_are_counted(caplog):
    inputs = keras.Input((20,))
    aware = keras_eff.quantize(keras.Model(inputs, layers.Dense(2)(inputs)))
    samples = np.zeros((8, 20), "float32")
    samples[::2] = 0.1
    samples[::2, 0] = 255.0
    keras_eff.calibrate(aware, samples)
    warn_of_lost_features(aware, [samples])
    text = "'input_layer': features [1, 2, 3, 4, 5, 6, 7, 8] and 11 more vary"
    assert text in caplog.text
