import click
import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.command_line.options import given
from keras_eff.command_line.options import switch


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    x = keras.Input((None, 3))
    mask = keras.Input((2,))
    pooled = keras.layers.GlobalAveragePooling1D()(x)
    y = keras.layers.Concatenate()([pooled, mask])
    path = tmp_path_factory.mktemp("shapes") / "m.keras"
    keras.Model([x, mask], keras.layers.Dense(2)(y)).save(path)
    return path


def test_a_file_is_written_with_the_lengths_and_measured(
    run, model_path, tmp_path
):
    path = tmp_path / "m.tflite"
    code, _, err = run("convert", model_path, path, "--input_shapes=7,3:2")
    assert (code, err) == (0, "")
    shapes = [x.shape for x in keras_eff.export.inspect(path).inputs]
    assert shapes == [(1, 7, 3), (1, 2)]
    line = ("measure", path, "--num_runs=2", "--runner=litert")
    assert run(*line, "--input_shapes=1,7,3:1,2")[0] == 0
    code, _, err = run(*line, "--input_shapes=8,3:2")
    assert code == 1 and "must fit the shape (1, 7, 3)" in err


@pytest.mark.parametrize("text", ["7,x", "", "7;3", "7,3:", "-1,3"])
def test_what_is_no_shape_is_an_error(run, model_path, tmp_path, text):
    line = ("convert", model_path, tmp_path / "m.tflite")
    code, _, err = run(*line, f"--input_shapes={text}")
    assert code == 2 and "'--input_shapes': it must be integers" in err


def test_without_lengths_the_error_names_the_input(run, model_path, tmp_path):
    code, _, err = run("convert", model_path, tmp_path / "m.tflite")
    assert code == 2 and "leaves dimensions of input" in err
    generator = np.random.default_rng(0)
    arrays = [generator.normal(size=(8, *s)) for s in ((5, 3), (2,))]
    np.savez(tmp_path / "x.npz", *arrays)
    line = ("convert", model_path, tmp_path / "m.tflite")
    assert run(*line, f"--samples={tmp_path / 'x.npz'}")[0] == 0


def keep(**options):
    return options


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", {}),
        ("--sparse", {"sparse": True}),
        ("--nosparse", {"sparse": False}),
    ],
)
def test_only_options_of_the_user_are_given(line, expected):
    command = click.command()(switch("sparse", "Zeros.")(keep))
    with command.make_context("try", line.split()) as context:
        assert given(command.invoke(context)) == expected
