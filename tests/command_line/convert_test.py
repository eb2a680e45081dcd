import json

import numpy as np
import pytest

import keras_eff


@pytest.fixture
def passed(monkeypatch):
    """The options that to_tflite gets."""
    found = {}

    def to_tflite(model, path, **options):
        found.update(options)

    monkeypatch.setattr(keras_eff.export, "to_tflite", to_tflite)
    return found


def test_it_writes_the_file_and_prints_the_report(run, here, tmp_path):
    line = ("model.keras", tmp_path / "m.tflite", "--quantize=int8")
    code, out, err = run("convert", *line, "--samples=x.npy")
    assert code == 0 and err.startswith("keras-eff: warning: samples: ranges")
    size = (tmp_path / "m.tflite").stat().st_size
    assert out.startswith(f"{tmp_path / 'm.tflite'}: {size:,} bytes (")
    report = keras_eff.export.inspect(tmp_path / "m.tflite")
    assert report.float_tensors == ()


def test_json_holds_the_whole_report(run, here, tmp_path):
    path = str(tmp_path / "m.tflite")
    line = ("--json", "--quantize=float16", "--samples=x.npy")
    code, out, err = run("convert", "model.keras", path, *line)
    row = json.loads(out)
    assert (code, err, row["path"]) == (0, "", path)
    assert row["ops"] == keras_eff.export.inspect(path).ops
    (output,) = row["against_model"]["outputs"]
    assert output["agreement"] == 1.0 and len(output["channel_r2"]) == 3


def test_only_options_of_the_user_are_passed_on(run, here, passed):
    run("convert", "model.keras", "m.tflite")
    assert passed == {"samples": None}


def test_all_options_are_passed_on(run, here, passed):
    line = "--quantize=int4 --method=mse --io_dtype=uint8 --batch_size=2"
    more = "--keep_names --sparse --tolerance=0.5 --min_agreement=0.25"
    run("convert", "model.keras", "m.tflite", *line.split(), *more.split())
    assert passed == {
        "samples": None,
        "quantize": "int4",
        "method": "mse",
        "io_dtype": "uint8",
        "batch_size": 2,
        "keep_names": True,
        "sparse": True,
        "tolerance": 0.5,
        "min_agreement": 0.25,
    }


@pytest.mark.parametrize("save", ["by_name", "in_order"])
def test_several_inputs_come_from_one_file(
    run, here, two_inputs, tmp_path, save
):
    if save == "by_name":
        np.savez(tmp_path / "x.npz", **dict(reversed(two_inputs.items())))
    else:
        np.savez(tmp_path / "x.npz", *two_inputs.values())
    line = ("two.keras", tmp_path / "m.tflite", "--quantize=float16")
    code, _, err = run("convert", *line, f"--samples={tmp_path / 'x.npz'}")
    assert (code, err) == (0, "")


def test_a_file_that_differs_too_much_fails(run, here, tmp_path):
    line = ("model.keras", tmp_path / "m.tflite", "--quantize=float16")
    code, out, err = run(
        "convert", *line, "--samples=x.npy", "--tolerance=1e-9"
    )
    assert (code, out) == (1, "")
    assert "does not compute what model" in err and err.count("\n") == 1
    assert not (tmp_path / "m.tflite").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("absent.keras m.tflite", "there is no file absent.keras"),
        ("float.tflite m.tflite", "Keras cannot load float.tflite"),
        ("model.keras m.tflite --samples=no.npy", "there is no file no.npy"),
        ("model.keras m.tflite --quantize=int3", "'--quantize': 'int3'"),
        ("model.keras m.tflite --method=max", "'--method': 'max'"),
        ("model.keras m.tflite --io_dtype=int3", "'--io_dtype': 'int3'"),
        ("model.keras m.tflite --batch_size=0", "'--batch_size': 0"),
        ("model.keras m.tflite --tolerance=-1", "'--tolerance': -1"),
        ("model.keras m.tflite --quantize=int8", "needs `samples`"),
        ("model.keras", "Missing argument 'OUT.tflite'"),
    ],
    ids=lambda text: text.split()[-1],
)
def test_wrong_arguments_are_errors(run, here, line, message):
    code, out, err = run("convert", *line.split())
    assert (code, out) == (2, "")
    assert err.startswith("keras-eff: error: ") and message in err
    assert err.count("\n") == 1


def test_nothing_of_tensorflow_reaches_the_terminal(start, here, tmp_path):
    line = ("convert", "model.keras", tmp_path / "m.tflite")
    finished = start("-m", "keras_eff", *line)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith(str(tmp_path / "m.tflite"))


def test_the_help_says_what_a_delegate_partition_is(run):
    code, out, _ = run("convert", "--help")
    assert code == 0
    assert "connected piece" in " ".join(out.split()) and "XNNPACK" in out
