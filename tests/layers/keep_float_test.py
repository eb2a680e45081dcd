import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.layers import FakeQuant
from keras_eff.layers.keep_float import KeepFloat


def test_contract(contract):
    contract(KeepFloat)


@pytest.mark.parametrize("training", [False, True])
def test_output_is_within_one_unit_in_the_last_place(training):
    exponents = np.linspace(-30, 30, 1001)
    x = np.concatenate([-(10**exponents), [0.0], 10**exponents])
    x = x.astype("float32")
    outputs = ops.convert_to_numpy(KeepFloat()(x, training=training))
    assert (np.abs(outputs - x) <= np.spacing(np.abs(x))).all()


def test_it_is_no_identity_that_a_converter_could_drop():
    assert ops.convert_to_numpy(KeepFloat()(np.float32([-1.0]))) != -1.0


def test_mask_passes_through(masked_mean):
    masked_mean(KeepFloat())


def kernel_dtype_in_file(*layers):
    """The dtype of a Dense kernel between two fake-quants."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    inputs = keras.Input((4,), batch_size=1)
    x = FakeQuant(fixed_range=(-1, 1))(inputs)
    for layer in (keras.layers.Dense(3), *layers):
        x = layer(x)
    model = keras.Model(inputs, FakeQuant(fixed_range=(-1, 1))(x))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    tensors = Interpreter(
        model_content=converter.convert()
    ).get_tensor_details()
    kernel = next(x for x in tensors if x["shape"].tolist() == [3, 4])
    return kernel["dtype"]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="the converter needs the TensorFlow backend",
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_computed_its_input_stays_float_in_the_file():
    assert kernel_dtype_in_file() == np.int8
    assert kernel_dtype_in_file(KeepFloat()) == np.float32
