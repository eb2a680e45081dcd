import keras
import numpy as np
import pytest
from keras import layers

import keras_eff
from keras_eff.tflite.file_weights import file_weights
from keras_eff.tflite.file_weights import text_of
from keras_eff.tflite.file_weights import weight_bytes
from keras_eff.tflite.flatbuffer import parse

to_tflite = keras_eff.export.to_tflite
# For the layers below, whose initializers draw their seeds when made.
keras.utils.set_random_seed(0)


@pytest.fixture
def sequences():
    return np.random.default_rng(0).normal(size=(4, 5, 8)).astype("float32")


def left_float(caplog):
    return [x.message for x in caplog.records if "leaves" in x.message]


def test_kernels_count_and_states_and_vectors_do_not(converted):
    model = parse(converted("lstm").data)
    assert weight_bytes(model) == {"float32": 4 * (4 * 20 + 5 * 20)}
    assert {w.reader for w in file_weights(model)} == {"FULLY_CONNECTED"}


def test_types_are_told_apart_and_have_shares(converted):
    model = parse(converted("conv_int8").data)
    assert weight_bytes(model).keys() == {"int8"}
    assert text_of({"float32": 1, "int8": 3}) == (
        "float32 1 bytes (25%), int8 3 bytes (75%)"
    )
    assert text_of({}) == "none"


@pytest.mark.parametrize(
    "layer",
    [
        layers.LSTM(16),
        layers.GRU(16),
        layers.Bidirectional(layers.SimpleRNN(32)),
        layers.RNN([layers.LSTMCell(16), layers.GRUCell(16)]),
        layers.TimeDistributed(layers.Dense(48)),
        layers.EinsumDense("abc,cde->abde", (None, 8, 6)),
    ],
    ids=lambda layer: layer.name,
)
def test_weight_only_files_hold_integers_whatever_the_layer(
    layer, sequences, caplog, tmp_path
):
    model = keras.Sequential([keras.Input((5, 8)), layer])
    report = to_tflite(model, tmp_path / "m", "weight_only_int8", sequences)
    assert report.weight_bytes.keys() == {"int8"}
    assert report.max_abs_error < 1e-5 and report.float_agreement > 0.9
    assert not left_float(caplog)


def test_weights_of_a_layer_of_the_user_s_and_of_a_chain(sequences, tmp_path):
    class Mine(layers.Layer):
        def build(self, shape):
            self.matrix = self.add_weight(shape=(shape[-1], 48))

        def call(self, inputs):
            return inputs @ self.matrix

    mask = keras_eff.layers.PruningMask(weight_name="cell.kernel")
    chain = keras_eff.layers.TransformedWeights(layers.LSTM(16), [mask])
    model = keras.Sequential([keras.Input((5, 8)), Mine(), chain])
    report = to_tflite(model, tmp_path / "m", "weight_only_int4", sequences)
    assert report.weight_bytes == {
        "int4": (8 * 48 + 48 * 64 + 16 * 64) // 2,
    }
    assert report.max_abs_error < 1e-5


def test_weights_of_half_precision_are_stored_as_integers(sequences, tmp_path):
    layer = layers.LSTM(16, dtype="float16")
    model = keras.Sequential([keras.Input((5, 8)), layer])
    report = to_tflite(model, tmp_path / "m", "weight_only_int8", sequences)
    assert report.weight_bytes.keys() == {"int8"}


def test_dynamic_files_hold_small_weights_in_integers(sequences, tmp_path):
    model = keras.Sequential(
        [
            keras.Input((5, 8)),
            layers.Conv1D(16, 3),
            layers.Flatten(),
            layers.Dense(6),
        ]
    )
    report = to_tflite(model, tmp_path / "m", "dynamic", sequences)
    assert report.weight_bytes == {"int8": 3 * 8 * 16 + 48 * 6}
    assert report.delegate_partitions == 1


def test_what_a_format_leaves_float_is_named_with_its_bytes(
    sequences, caplog, tmp_path
):
    model = keras.Sequential([keras.Input((8,)), layers.Dense(4, name="few")])
    report = to_tflite(model, tmp_path / "m", "dynamic", sequences[:, 0])
    assert report.weight_bytes == {"float32": 128}
    assert "weights: float32 128 bytes (100%)" in str(report)
    (message,) = left_float(caplog)
    assert '"dynamic" leaves 128 of 128 bytes of weights float32' in message
    assert "few/kernel [4, 8] (128 bytes)" in message


def test_little_that_stays_float_is_not_named(sequences, caplog, tmp_path):
    model = keras.Sequential(
        [keras.Input((5, 8)), layers.LSTM(24), layers.Dense(3)]
    )
    report = to_tflite(model, tmp_path / "m", "dynamic", sequences)
    assert report.weight_bytes == {"float32": 4 * 72, "int8": 96 * 32}
    to_tflite(model, tmp_path / "m", None, sequences)
    assert not left_float(caplog)
