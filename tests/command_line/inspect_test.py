import json

import keras_eff


def test_it_prints_the_report_of_each_file(run, here):
    code, out, err = run("inspect", "float.tflite", "int8.tflite")
    reports = [
        f"file    {name}\n{keras_eff.export.inspect(name)}\n"
        for name in ("float.tflite", "int8.tflite")
    ]
    assert (code, out, err) == (0, "\n".join(reports), "")


def test_json_holds_the_whole_report(run, here):
    code, out, err = run("inspect", "--json", "int8.tflite")
    (row,) = json.loads(out)
    report = keras_eff.export.inspect("int8.tflite")
    assert (code, err) == (0, "")
    assert row["file"] == "int8.tflite"
    assert row["ops"] == report.ops
    assert row["gzip_bytes"] == report.gzip_bytes
    assert row["inputs"][0]["scales"] == [report.inputs[0].scale]
    assert len(row["tensors"]) == len(report.tensors)


def test_a_damaged_file_is_an_error_with_its_name(run, here):
    code, out, err = run("inspect", "float.tflite", "cut.tflite")
    assert (code, out) == (2, "")
    assert err.startswith("keras-eff: error: cut.tflite: A .tflite file must")
    assert err.count("\n") == 1


def test_a_missing_file_is_an_error(run, here):
    code, _, err = run("inspect", "absent.tflite")
    assert code == 2 and "absent.tflite" in err


def test_flags_of_other_commands_are_unknown(run, here):
    code, _, err = run("inspect", "--num_runs=3", "float.tflite")
    assert code == 2 and "there is no flag --num_runs" in err
