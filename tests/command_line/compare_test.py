import dataclasses
import json

import keras
import numpy as np
import pytest

import keras_eff


@pytest.fixture(autouse=True)
def execute_once(monkeypatch, executions):
    monkeypatch.setattr(keras_eff.export, "execute", executions)


@pytest.fixture(scope="module")
def executions():
    """Executes for real, each file once on the same samples."""
    execute, found = keras_eff.export.execute, {}

    def execute_or_recall(path, inputs):
        key = (str(path), *(array.tobytes() for array in inputs))
        if key not in found:
            found[key] = execute(path, inputs)
        return found[key]

    return execute_or_recall


def output_name():
    return keras_eff.export.inspect("float.tflite").outputs[0].name


def differences(expected, actual, scale=None):
    """What the command should print, by its definitions."""
    errors = np.abs(expected.astype("float64") - actual)
    same = expected.argmax(axis=-1) == actual.argmax(axis=-1)
    noise = (errors**2).sum(axis=0)
    signal = expected.astype("float64").var(axis=0) * len(expected)
    return {
        "max_abs_error": pytest.approx(errors.max()),
        "mean_share": pytest.approx(errors.mean() / np.abs(expected).max()),
        "mean_lsb": scale and pytest.approx(errors.mean() / scale),
        "agreement": pytest.approx(same.mean()),
        "r2": pytest.approx(1 - noise.sum() / signal.sum()),
        "worst_channel": f"{output_name()}[{np.argmax(noise / signal)}]",
        "worst_channel_r2": pytest.approx(1 - np.max(noise / signal)),
    }


def test_two_files_are_compared_kernels_by_kernels(run, here):
    line = ("float.tflite", "int8.tflite", "--samples=x.npy", "--json")
    code, out, err = run("compare", *line)
    samples = [np.load("x.npy")]
    one = keras_eff.export.execute("float.tflite", samples)
    other = keras_eff.export.execute("int8.tflite", samples)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["num_samples"] == 20 and found["passed"] is True
    (scale,) = other.output_scales
    assert found["kernels"] == [
        {
            "kernels": kernels,
            **differences(
                getattr(one, kernels)[0], getattr(other, kernels)[0], scale
            ),
        }
        for kernels in ("delegate", "builtin")
    ]


def test_a_file_is_compared_with_a_model(run, here):
    line = ("model.keras", "float.tflite", "--samples=x.npy", "--json")
    code, out, err = run("compare", *line)
    samples = np.load("x.npy")
    model = keras.saving.load_model("model.keras")
    expected = keras.ops.convert_to_numpy(model(samples))
    actual = keras_eff.export.execute("float.tflite", [samples])
    rows = json.loads(out)["kernels"]
    assert (code, err) == (0, "")
    for row, outputs in zip(
        rows, (actual.delegate, actual.builtin), strict=True
    ):
        del row["kernels"]
        assert row == differences(expected, outputs[0])


def test_a_model_is_compared_on_random_samples_by_default(run, here):
    code, out, _ = run("compare", "model.keras", "int8.tflite")
    assert code == 0
    assert "samples 16, random: " in out
    assert "kernels   max difference  mean, share of max  mean, LSB" in out
    assert "tolerance" not in out


def test_two_files_need_samples(run, here):
    code, out, err = run("compare", "float.tflite", "int8.tflite")
    assert (code, out) == (2, "") and "--samples is needed where A is" in err


def test_the_tolerance_decides(run, here):
    line = ("compare", "float.tflite", "int8.tflite", "--samples=x.npy")
    code, out, _ = run(*line, "--tolerance=0.5")
    assert code == 0 and out.endswith("\ntolerance 0.5: passed\n")
    code, out, _ = run(*line, "--tolerance=0")
    assert code == 1 and out.endswith("\ntolerance 0: FAILED\n")


def test_the_least_agreement_decides_as_it_does_for_an_export(run, here):
    line = ("compare", "float.tflite", "int8.tflite", "--samples=x.npy")
    code, out, _ = run(*line, "--min_agreement=0.8")
    assert code == 0 and out.endswith("\nmin_agreement 0.8: passed\n")
    np.save("noise.npy", np.load("x.npy") * 1e-3)
    line = ("compare", "float.tflite", "int8.tflite", "--samples=noise.npy")
    code, out, _ = run(*line, "--min_agreement=0.8", "--tolerance=9")
    assert code == 1 and "\ntolerance 9: passed\n" in out
    assert out.endswith("\nmin_agreement 0.8: FAILED\n")


def test_inputs_are_matched_by_name(run, here, two_inputs, tmp_path):
    np.savez(tmp_path / "x.npz", **dict(reversed(two_inputs.items())))
    samples = f"--samples={tmp_path / 'x.npz'}"
    for first in ("two.keras", "two.tflite"):
        line = ("compare", first, "two.tflite", samples, "--tolerance=1e-5")
        assert run(*line)[0] == 0


def test_inputs_that_have_no_names_are_matched_in_order(
    run, here, two_inputs, tmp_path, monkeypatch
):
    inspect = keras_eff.export.inspect

    def inspect_nameless(path):
        report = inspect(path)
        nameless = [dataclasses.replace(x, name="") for x in report.inputs]
        return dataclasses.replace(report, inputs=tuple(nameless))

    monkeypatch.setattr(keras_eff.export, "inspect", inspect_nameless)
    np.savez(tmp_path / "x.npz", *two_inputs.values())
    line = ("two.tflite", "two.tflite", f"--samples={tmp_path / 'x.npz'}")
    assert run("compare", *line, "--tolerance=0")[0] == 0


def test_samples_without_names_are_taken_in_order(
    run, here, two_inputs, tmp_path
):
    np.savez(tmp_path / "x.npz", *two_inputs.values())
    samples = f"--samples={tmp_path / 'x.npz'}"
    for first in ("two.keras", "two.tflite"):
        line = ("compare", first, "two.tflite", samples, "--tolerance=1e-5")
        assert run(*line)[0] == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cut.tflite int8.tflite --samples=x.npy", "cut.tflite: "),
        ("float.tflite cut.tflite --samples=x.npy", "cut.tflite: "),
        ("float.tflite no.tflite --samples=x.npy", "no.tflite"),
        ("float.tflite two.tflite --samples=x.npy", "two.tflite: "),
        ("two.tflite float.tflite --samples=x.npy", "must hold 2 arrays"),
        ("two.keras float.tflite --samples=x.npy", "one array for each"),
    ],
    ids=lambda text: text.split(" --")[0],
)
def test_wrong_files_are_errors(run, here, two_inputs, line, message):
    code, out, err = run("compare", *line.split())
    assert (code, out) == (2, "")
    assert err.startswith("keras-eff: error: ") and message in err


def test_each_of_several_outputs_has_a_row(run, here, tmp_path):
    x = keras.Input((4,))
    still = keras.layers.Dense(2, bias_initializer="ones", name="still")
    head = keras.layers.Dense(3, name="head")
    model = keras.Model(x, [head(x), still(x)])
    still.kernel.assign(still.kernel * 1e-4)
    paths = [tmp_path / "a", tmp_path / "b"]
    keras_eff.export.to_tflite(model, paths[0])
    keras_eff.export.to_tflite(
        model, paths[1], "int8", np.load("x.npy"), min_agreement=0.0
    )
    code, out, _ = run("compare", *paths, "--samples=x.npy")
    rows = [line.split() for line in out.splitlines() if "builtin" in line]
    assert code == 0 and [row[1] for row in rows] == ["head", "still"]
    assert "nearly constant, without R2: still[0, 1]\n" in out
    _, out, _ = run("compare", *paths, "--samples=x.npy", "--json")
    assert [row["output"] for row in json.loads(out)["outputs"]] == [
        *("head", "still"),
        *("head", "still"),
    ]


def test_files_with_other_numbers_of_outputs_are_an_error(run, here, tmp_path):
    x = keras.Input((4,))
    outputs = [keras.layers.Dense(3)(x), keras.layers.Dense(3)(x)]
    path = tmp_path / "outputs.tflite"
    keras_eff.export.to_tflite(keras.Model(x, outputs), path)
    line = ("compare", "float.tflite", path, "--samples=x.npy")
    code, _, err = run(*line)
    assert code == 2 and "Received: 1 and 2" in err
