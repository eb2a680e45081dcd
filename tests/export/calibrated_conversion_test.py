import importlib.util

import keras
import numpy as np
import pytest
from keras import layers

from keras_eff.export import calibrated_conversion
from keras_eff.export.calibrated_conversion import convert_calibrated
from keras_eff.tflite.inspection import inspect

SCRIPT = calibrated_conversion._SCRIPT


@pytest.fixture
def in_this_process(monkeypatch):
    """Spares the seconds that a child takes to import TensorFlow."""

    def run(script, payload, timeout_s):
        spec = importlib.util.spec_from_file_location("script", script)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main(payload)

    monkeypatch.setattr(calibrated_conversion.child_process, "run", run)


def two_inputs():
    wide = keras.Input((6,), name="wide")
    narrow = keras.Input((2,), name="narrow")
    x = layers.Concatenate()([layers.Dense(4)(wide), narrow])
    return keras.Model([wide, narrow], [layers.Dense(3)(x), x])


def samples(count):
    generator = np.random.default_rng(0)
    shapes = ((count, 6), (count, 2))
    return [generator.uniform(-2, 2, s).astype("float32") for s in shapes]


@pytest.mark.parametrize("io_dtype", ["int16", "float32"])
@pytest.mark.filterwarnings("ignore")
def test_activations_have_16_bits_and_weights_8(
    io_dtype, in_this_process, tmp_path
):
    data = convert_calibrated(two_inputs(), 2, io_dtype, samples(3))
    (tmp_path / "m.tflite").write_bytes(data)
    contents = inspect(tmp_path / "m.tflite")
    assert [t.shape for t in contents.inputs] == [(2, 6), (2, 2)]
    assert [t.shape for t in contents.outputs] == [(2, 3), (2, 6)]
    ends = {t.dtype for t in (*contents.inputs, *contents.outputs)}
    assert ends == {io_dtype}
    weights = [t for t in contents.tensors if t.is_constant]
    assert {t.dtype for t in weights if len(t.shape) == 2} == {"int8"}
    computed = {t.dtype for t in contents.tensors if not t.is_constant}
    assert computed == {"int16", io_dtype}


@pytest.mark.filterwarnings("ignore")
def test_ranges_are_those_of_all_samples_and_inputs(in_this_process, tmp_path):
    wide, narrow = samples(3)
    # In the last, incomplete batch.
    narrow[2, 1] = -9.0
    data = convert_calibrated(two_inputs(), 2, "int16", [wide, narrow])
    (tmp_path / "m.tflite").write_bytes(data)
    scales = [t.scale for t in inspect(tmp_path / "m.tflite").inputs]
    peaks = [np.abs(wide).max(), 9.0]
    np.testing.assert_allclose(scales, np.array(peaks) / 32767, rtol=1e-4)


@pytest.mark.parametrize(
    "lines, message",
    [
        ("import os; os.kill(os.getpid(), 11)", "died of signal SIGSEGV"),
        ("raise ValueError('no kernel')", "no kernel"),
    ],
    ids=["crash", "error"],
)
def test_failure_in_the_child_says_what_and_leaves_this_process(
    lines, message, tmp_path, monkeypatch
):
    script = tmp_path / "script.py"
    script.write_text(f"def main(payload):\n    {lines}\n")
    monkeypatch.setattr(calibrated_conversion, "_SCRIPT", script)
    with pytest.raises(RuntimeError, match=f"(?s)unroll=True.*{message}"):
        convert_calibrated(two_inputs(), 1, "int16", samples(2))
