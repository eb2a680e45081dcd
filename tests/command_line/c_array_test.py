def test_it_writes_the_header_and_prints_the_names(run, here, tmp_path):
    header = tmp_path / "model.h"
    code, out, err = run("c-array", "int8.tflite", header, "--name=g_model")
    assert (code, err) == (0, "")
    assert out == f"{header}: g_model, g_model_len\n"
    assert "g_model[]" in header.read_text()


def test_the_name_is_that_of_the_file_by_default(run, here, tmp_path):
    out = run("c-array", "int8.tflite", tmp_path / "model.h")[1]
    assert out.endswith(": int8, int8_len\n")


def test_a_damaged_file_is_an_error(run, here, tmp_path):
    code, _, err = run("c-array", "cut.tflite", tmp_path / "model.h")
    assert code == 2 and "cut.tflite: " in err
    assert not (tmp_path / "model.h").exists()


def test_a_name_that_c_does_not_know_is_an_error(run, here, tmp_path):
    line = ("c-array", "int8.tflite", tmp_path / "model.h", "--name=1x")
    code, _, err = run(*line)
    assert code == 2 and "name='1x'" in err
