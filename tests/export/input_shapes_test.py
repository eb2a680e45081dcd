import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

import keras_eff
from keras_eff.export.input_shapes import fixed_shapes
from keras_eff.export.to_tflite import to_tflite
from keras_eff.latency import LiteRT
from keras_eff.latency import measure


def convolution():
    x = keras.Input((None, 8), name="x")
    y = layers.Conv1D(8, 3, activation="relu")(x)
    return keras.Model(x, layers.Dense(4)(layers.GlobalAveragePooling1D()(y)))


def two_inputs():
    x, mask = keras.Input((None, None, 3)), keras.Input((4,), dtype="int32")
    pooled = layers.GlobalAveragePooling2D()(x)
    y = layers.Concatenate()([pooled, keras.ops.cast(mask, "float32")])
    return keras.Model([x, mask], layers.Dense(2)(y))


def samples(*shape):
    return np.random.default_rng(0).normal(size=(12, *shape)).astype("float32")


@pytest.mark.parametrize("quantize", ["int8", "int16x8"])
def test_the_file_has_the_length_of_the_samples(quantize, tmp_path):
    path = tmp_path / "m.tflite"
    to_tflite(convolution(), path, quantize, samples(20, 8))
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.invoke()
    (detail,) = interpreter.get_input_details()
    assert detail["shape_signature"].tolist() == [1, 20, 8]


def test_the_length_is_given_where_there_are_no_samples(tmp_path):
    path = tmp_path / "m.tflite"
    with pytest.raises(ValueError, match=r"input 'x' open.*\(any, 8\)"):
        to_tflite(convolution(), path)
    to_tflite(convolution(), path, input_shapes=(30, 8), batch_size=2)
    contents = keras_eff.export.inspect(path)
    assert contents.inputs[0].shape == (2, 30, 8)


def test_an_open_length_is_measured_only_with_one(tmp_path):
    path, runner = tmp_path / "m.tflite", LiteRT(warmup_min_s=0.0)
    to_tflite(convolution(), path, None, samples(20, 8), input_shapes=(None, 8))
    assert keras_eff.export.inspect(path).inputs[0].shape == (1, -1, 8)
    with pytest.raises(ValueError, match="'x' open.*give `input_shapes`"):
        measure(path, 1, 3, runner)
    for shape in ((200, 8), [(1, 200, 8)], {"x": np.array([200, 8]).tolist()}):
        assert measure(path, 1, 3, runner, input_shapes=shape).num_runs == 3
    with pytest.raises(ValueError, match=r"must fit the shape \(1, any, 8\)"):
        measure(path, 1, 3, runner, input_shapes=(200, 7))
    with pytest.raises(ValueError, match="must give each size"):
        measure(path, 1, 3, runner, input_shapes=(None, 8))


@pytest.mark.parametrize(
    "given",
    [
        [(5, 6, 3), (4,)],
        ((1, 5, 6, 3), [4]),
        {"x": (np.int64(5), 6, 3), "mask": (4,)},
    ],
)
def test_shapes_come_in_the_structures_of_samples(given):
    model = two_inputs()
    if isinstance(given, dict):
        names = [tensor.name for tensor in model.inputs]
        given = dict(zip(names, given.values(), strict=True))
    assert fixed_shapes(model, given) == [(5, 6, 3), (4,)]


def test_inputs_without_a_name_are_called_as_in_files():
    inputs = [keras.Input((None, 2)), keras.Input((None, 2))]
    model = keras.Model(inputs, layers.Add()(inputs))
    with pytest.raises(ValueError, match="input 'input_layer' open"):
        fixed_shapes(model, None)
    given = {"input_layer": (5, 2), "input_layer_1": (5, 2)}
    assert fixed_shapes(model, given) == [(5, 2), (5, 2)]


def test_shapes_of_samples_are_the_default():
    arrays = [samples(7, 9, 3), samples(4).astype("int32")]
    assert fixed_shapes(two_inputs(), None, arrays) == [(7, 9, 3), (4,)]
    fixed = keras.Sequential([keras.Input((3, 2)), layers.Flatten()])
    assert fixed_shapes(fixed, None) == [(3, 2)]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (3, TypeError, "must be a shape.*input_shapes=3"),
        ((20.0, 8), TypeError, "must be a shape"),
        ((True, 8), TypeError, "must be a shape"),
        ((20,), ValueError, r"must fit the shape \(1, any, 8\).*\(20,\)"),
        ((20, 9), ValueError, r"must fit the shape \(1, any, 8\).*\(20, 9\)"),
        ((0, 8), ValueError, "must fit"),
        ((2, 20, 8), ValueError, "without the batch, which comes first"),
        ((None, 20, 8), ValueError, "without the batch, which comes first"),
        ([(20, 8), (20, 8)], ValueError, "one shape for each of"),
        ({"y": (20, 8)}, ValueError, r"must have the keys \['x'\]"),
        ((21, 8), ValueError, r"samples of shape \(20, 8\) for \(21, 8\)"),
    ],
)
def test_a_shape_that_does_not_fit_is_an_error(given, error, message):
    with pytest.raises(error, match=message):
        fixed_shapes(convolution(), given, [samples(20, 8)])
