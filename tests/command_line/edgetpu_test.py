import pytest

import keras_eff


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_EFF_EDGETPU_COMPILER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_a_model_becomes_an_int8_file(run, here, tmp_path):
    path = tmp_path / "m_edgetpu.tflite"
    line = ("edgetpu", "model.keras", path, "--samples=x.npy")
    code, out, err = run(*line, "--without_compiler=warn")
    assert code == 0
    assert (tmp_path / "m_int8.tflite").is_file()
    assert str(tmp_path / "m_int8.tflite") in out
    assert err.startswith("keras-eff: warning: ")


def test_without_a_compiler_it_fails(run, here, tmp_path):
    line = ("edgetpu", "int8.tflite", tmp_path / "m_edgetpu.tflite")
    code, out, err = run(*line)
    assert (code, out) == (1, "") and "edgetpu_compiler" in err


def test_options_are_passed_on(run, here, monkeypatch):
    found = []

    def to_edgetpu(source, path, samples, **options):
        found.append((source, path, samples, options))

    monkeypatch.setattr(keras_eff.export, "to_edgetpu", to_edgetpu)
    line = ("edgetpu", "int8.tflite", "out.tflite")
    run(*line)
    run(*line, "--num_segments=2", "--compiler=c", "--without_compiler=error")
    options = {"num_segments": 2, "compiler": "c", "without_compiler": "error"}
    assert found == [
        ("int8.tflite", "out.tflite", None, {}),
        ("int8.tflite", "out.tflite", None, options),
    ]


def test_a_file_that_does_not_map_is_an_error(run, here, tmp_path):
    line = ("edgetpu", "float.tflite", tmp_path / "m_edgetpu.tflite")
    code, _, err = run(*line)
    assert code == 2 and "must map" in err
