import json

import keras_eff


def test_a_file_that_maps_passes(run, here):
    lint = keras_eff.export.lint_edgetpu("int8.tflite")
    text = f"int8.tflite\n{lint}\n"
    assert run("lint", "int8.tflite") == (0, text, "")


def test_a_file_that_does_not_map_fails(run, here):
    code, out, _ = run("lint", "int8.tflite", "float.tflite")
    assert code == 1
    assert "int8.tflite\n" in out and "\n\nfloat.tflite\n" in out


def test_json_has_the_rows_and_the_counts(run, here):
    code, out, _ = run("lint", "--target=edgetpu", "--json", "float.tflite")
    (row,) = json.loads(out)
    lint = keras_eff.export.lint_edgetpu("float.tflite")
    assert code == 1
    assert (row["file"], row["parses"]) == ("float.tflite", lint.parses)
    assert (row["mapped"], row["total"]) == (0, lint.total)
    assert [each["op"] for each in row["rows"]] == [r.op for r in lint.rows]


def test_a_damaged_file_is_an_error_after_what_can_be_read(run, here):
    code, out, err = run("lint", "int8.tflite", "cut.tflite")
    assert (code, out) == (1, run("lint", "int8.tflite")[1])
    assert "cut.tflite: " in err


def test_another_target_is_an_error(run, here):
    code, _, err = run("lint", "--target=npu", "int8.tflite")
    assert code == 2 and "'--target': 'npu'" in err
