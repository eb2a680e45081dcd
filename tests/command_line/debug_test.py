import pytest

PNG = b"\x89PNG"


def test_it_prints_where_the_file_departs(run, here):
    line = ("debug", "model.keras", "int8.tflite", "--samples=x.npy")
    code, out, err = run(*line)
    assert (code, err) == (0, "")
    assert "SQNR" in out and "FULLY_CONNECTED" in out


def test_it_draws_a_plot(run, here, tmp_path):
    pytest.importorskip("matplotlib")
    line = ("debug", "model.keras", "int8.tflite", "--samples=x.npy")
    code, _, _ = run(*line, f"--plot={tmp_path / 'errors.png'}")
    assert code == 0
    assert (tmp_path / "errors.png").read_bytes().startswith(PNG)


def test_it_needs_samples(run, here):
    code, _, err = run("debug", "model.keras", "int8.tflite")
    assert code == 2 and "Missing option '--samples'" in err


def test_a_missing_file_is_an_error(run, here):
    line = ("debug", "model.keras", "absent.tflite", "--samples=x.npy")
    code, _, err = run(*line)
    assert code == 2 and "absent.tflite" in err
