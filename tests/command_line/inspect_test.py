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


def test_what_can_be_read_is_printed_before_the_error(run, here):
    code, out, err = run("inspect", "cut.tflite", "float.tflite", "no.tflite")
    report = keras_eff.export.inspect("float.tflite")
    assert (code, out) == (1, f"file    float.tflite\n{report}\n")
    first, second = err.splitlines()
    assert first.startswith("keras-eff: error: cut.tflite: A .tflite file must")
    assert second.startswith("keras-eff: error: ") and "no.tflite" in second
    code, out, _ = run("inspect", "--json", "float.tflite", "cut.tflite")
    assert code == 1 and [row["file"] for row in json.loads(out)] == [
        "float.tflite"
    ]


def test_where_nothing_can_be_read_there_are_errors_alone(run, here):
    code, out, err = run("inspect", "cut.tflite", "cut.tflite")
    assert (code, out) == (2, "") and err.count("cut.tflite: A .tflite") == 2


def test_a_missing_file_is_an_error(run, here):
    code, _, err = run("inspect", "absent.tflite")
    assert code == 2 and "absent.tflite" in err


def test_flags_of_other_commands_are_unknown(run, here):
    code, _, err = run("inspect", "--num_runs=3", "float.tflite")
    assert code == 2 and "No such option '--num_runs'" in err


def test_the_help_says_what_a_delegate_partition_is(run):
    code, out, _ = run("inspect", "--help")
    assert code == 0
    assert "connected piece" in " ".join(out.split()) and "XNNPACK" in out
