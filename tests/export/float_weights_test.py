import re

import keras
import numpy as np
import pytest
from keras import layers

import keras_eff

to_tflite = keras_eff.export.to_tflite
SAMPLES = np.random.default_rng(0).normal(size=(32, 5, 8)).astype("float32")


@pytest.fixture
def exported(caplog, tmp_path):
    """The report of an export, and its warnings of weights left float."""

    def export(model, quantize):
        path = tmp_path / "m.tflite"
        report = to_tflite(model, path, quantize, SAMPLES, min_agreement=0.0)
        texts = [record.message for record in caplog.records]
        return report, [text for text in texts if "bytes of weights" in text]

    return export


def test_an_int8_file_tells_what_dynamic_would_save(exported):
    layer = layers.LSTM(32, name="memory")
    model = keras.Sequential([keras.Input((5, 8)), layer, layers.Dense(4)])
    report, (text,) = exported(model, "int8")
    for part in (
        '"int8" leaves 20,480 of 20,608 bytes of weights float32 (99%): ',
        "memory/lstm_cell/recurrent_kernel [128, 32] (16,384 bytes), ",
        'of "dynamic", of the float model, holds 20,480 of these bytes',
    ):
        assert part in text
    # 3 of 4 bytes of the kernels, less what a small weight takes as a float.
    saved = re.search("estimated ([0-9,]+) bytes", text)[1]
    assert saved == f"{3 * 5120 - 3 * 128:,}"
    dynamic, _ = exported(model, "dynamic")
    found = report.size_bytes - dynamic.size_bytes
    assert found == pytest.approx(3 * 5120 - 3 * 128, rel=0.15)


def test_formats_that_would_save_nothing_are_not_named(exported):
    # Too small for "dynamic", whose file is no smaller.
    model = keras.Sequential([keras.Input((5, 8)), layers.SimpleRNN(4)])
    _, (text,) = exported(model, "int8")
    assert "(128 bytes)" in text and "dynamic" not in text
