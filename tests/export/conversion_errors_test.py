import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_eff


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
