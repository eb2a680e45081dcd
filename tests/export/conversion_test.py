import os
import sys

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_eff
from keras_eff.export.conversion import convert
from keras_eff.tflite.flatbuffer import parse


def test_file_holds_the_weights_and_a_fixed_batch():
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32)])
    data = convert(model, "float32", 2, "float32")
    kernel = keras.ops.convert_to_numpy(model.layers[0].kernel)
    parsed = parse(data)
    buffers = [
        np.asarray(buffer.data).view("float32")
        for buffer in parsed.buffers
        if buffer.data is not None and len(buffer.data) == kernel.nbytes
    ]
    assert any(np.array_equal(b, kernel.T.ravel()) for b in buffers)
    graph = parsed.subgraphs[0]
    assert graph.tensors[graph.inputs[0]].shape.tolist() == [2, 64]


def test_failure_says_what_the_converter_said():
    inputs = keras.Input((4, 4))
    model = keras.Model(inputs, keras.ops.linalg.cholesky(inputs))
    with pytest.raises(RuntimeError, match="Cholesky"):
        convert(model, "float32", 1, "float32")


def test_streams_work_again_afterwards(capfd):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    convert(model, "float32", 1, "float32")
    os.write(1, b"native\n")
    sys.stderr.write("python\n")
    captured = capfd.readouterr()
    assert captured.out == "native\n"
    assert captured.err == "python\n"


@pytest.mark.parametrize("quantize", [None, "int8"])
def test_an_operation_without_an_operator_is_named(quantize, tmp_path):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, ops.tan(layers.Dense(3)(inputs)))
    model.operations[-1].name = "my_tan"
    samples = np.random.default_rng(0).uniform(0.1, 0.2, (8, 4))
    with pytest.raises(RuntimeError) as caught:
        keras_eff.export.to_tflite(model, tmp_path / "m", quantize, samples)
    said = str(caught.value)
    assert "TFLite has no operator for 'my_tan' (Tan)" in said
    assert "TensorFlow's Tan." in said and "outside of the file" in said


def test_a_layer_without_an_operator_is_named(tmp_path):
    resizing = layers.Resizing(4, 4, "bicubic", name="larger")
    model = keras.Sequential([keras.Input((2, 2, 1)), resizing])
    with pytest.raises(RuntimeError, match=r"for 'larger' \(Resizing\)"):
        keras_eff.export.to_tflite(model, tmp_path / "m")
