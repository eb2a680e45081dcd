import json
import pathlib

import keras
import numpy as np
import pytest

from keras_eff.distillation import StoredOutputs

X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
Y = np.arange(20) % 3


class Interrupted(Exception):
    pass


class Recorded:
    """A teacher that keeps the rows it was asked for."""

    def __init__(self, fails_at=None):
        self.fails_at = fails_at
        self.rows = []

    def __call__(self, batch):
        if len(self.rows) == self.fails_at:
            raise Interrupted
        self.rows.extend(batch[:, 0].tolist())
        return 2.0 * batch


def model():
    inputs = keras.Input((4,))
    x = keras.layers.Dropout(0.5)(inputs)
    outputs = {
        "a": keras.layers.Dense(3)(x),
        "b": [keras.layers.Dense(2)(x)],
    }
    return keras.Model(inputs, outputs)


def test_they_are_what_the_teacher_predicts(tmp_path):
    teacher = model()
    stored = StoredOutputs.collect(teacher, X, tmp_path, batch_size=8)
    expected = teacher.predict(X, verbose=0)
    for outputs in (stored.outputs, StoredOutputs(str(tmp_path)).outputs):
        assert outputs.keys() == {"a", "b"}
        np.testing.assert_allclose(outputs["a"], expected["a"], atol=1e-6)
        np.testing.assert_allclose(outputs["b"][0], expected["b"][0], atol=1e-6)


def test_inputs_may_be_a_structure(tmp_path):
    inputs = {"left": X, "right": 2 * X}

    def teacher(batch):
        return batch["left"] + batch["right"]

    stored = StoredOutputs.collect(teacher, inputs, tmp_path, batch_size=7)
    np.testing.assert_array_equal(stored.outputs, 3 * X)
    stored.targets({"left": X, "right": 2 * X}, Y)


def test_a_collection_goes_on_where_it_stopped(tmp_path):
    first, second = Recorded(fails_at=16), Recorded()
    with pytest.raises(Interrupted):
        StoredOutputs.collect(first, X, tmp_path, 8, name="twice")
    with pytest.raises(ValueError, match="16 of 20 samples"):
        StoredOutputs(tmp_path)
    stored = StoredOutputs.collect(second, X, tmp_path, 8, name="twice")
    assert first.rows + second.rows == X[:, 0].tolist()
    np.testing.assert_array_equal(stored.outputs, 2 * X)


def test_it_may_stop_while_it_writes_what_it_has_done(tmp_path, monkeypatch):
    replace, calls = pathlib.Path.replace, []

    def stop(*paths):
        # The first says that nothing is done yet.
        calls.append(paths)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return replace(*paths)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pathlib.Path, "replace", stop)
        StoredOutputs.collect(Recorded(), X, tmp_path)
    found = sorted(x.name for x in tmp_path.iterdir())
    assert found == ["manifest.json", "output_0.npy"]
    assert StoredOutputs.collect(Recorded(), X, tmp_path).outputs.shape


def test_a_finished_collection_costs_nothing(tmp_path):
    StoredOutputs.collect(Recorded(), X, tmp_path, name="twice")
    again = Recorded(fails_at=0)
    stored = StoredOutputs.collect(again, X, tmp_path, name="twice")
    stored.check_teacher(again, name="twice")


def test_other_data_is_refused(tmp_path):
    stored = StoredOutputs.collect(Recorded(), X, tmp_path)
    with pytest.raises(ValueError, match="outputs for another data"):
        StoredOutputs.collect(Recorded(), X + 1, tmp_path)
    for other in (X[::-1], X[:10], X.astype("float64")):
        with pytest.raises(ValueError, match="in the same order. Received"):
            stored.targets(other, Y)


def test_another_teacher_is_refused(tmp_path):
    teacher = model()
    stored = StoredOutputs.collect(teacher, X, tmp_path)
    stored.check_teacher(teacher)
    with pytest.raises(ValueError, match="those of this teacher. Received"):
        stored.check_teacher(model())
    with pytest.raises(ValueError, match="outputs for another teacher"):
        StoredOutputs.collect(model(), X, tmp_path)


def rows_of(*activations):
    """A model of weights that are always the same."""
    x = inputs = keras.Input((4,))
    for activation in activations:
        x = keras.layers.Dense(4, activation, kernel_initializer="ones")(x)
    return keras.Model(inputs, x)


def test_a_teacher_that_is_built_again_is_the_same(tmp_path):
    teacher = rows_of("relu", "softmax")
    stored = StoredOutputs.collect(teacher, X, tmp_path / "outputs")
    # Its layers have other numbers.
    stored.check_teacher(rows_of("relu", "softmax"))
    teacher.save(tmp_path / "teacher.keras")
    loaded = keras.saving.load_model(tmp_path / "teacher.keras")
    loaded.trainable = False
    StoredOutputs.collect(loaded, X, tmp_path / "outputs")


@pytest.mark.parametrize(
    "other",
    [
        lambda: rows_of("relu", None),
        lambda: rows_of("tanh", "softmax"),
        lambda: keras.Sequential([rows_of("relu", "softmax")]),
    ],
    ids=["end", "inside", "nested"],
)
def test_another_teacher_of_the_same_weights_is_refused(tmp_path, other):
    stored = StoredOutputs.collect(rows_of("relu", "softmax"), X, tmp_path)
    with pytest.raises(ValueError, match="those of this teacher. Received"):
        stored.check_teacher(other())
    with pytest.raises(ValueError, match="outputs for another teacher"):
        StoredOutputs.collect(other(), X, tmp_path)


class Scaled(keras.Model):
    """Of code that no configuration tells."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


def test_code_of_a_models_own_is_known_by_what_it_gives(tmp_path):
    StoredOutputs.collect(Scaled(lambda x: 2.0 * x), X, tmp_path)
    with pytest.raises(ValueError, match="gives others for the same rows"):
        StoredOutputs.collect(Scaled(lambda x: 3.0 * x), X, tmp_path)
    StoredOutputs.collect(Scaled(lambda x: x + x), X, tmp_path)


def test_a_function_is_known_by_its_name_alone(tmp_path, caplog):
    stored = StoredOutputs.collect(lambda x: 2 * x, X, tmp_path / "a")
    with pytest.raises(ValueError, match="known by the `name`"):
        stored.check_teacher(lambda x: 2 * x)
    with pytest.raises(ValueError, match="another teacher.*without a name"):
        StoredOutputs.collect(rows_of("relu"), X, tmp_path / "a")
    with caplog.at_level("WARNING", "absl"):
        stored = StoredOutputs.collect(lambda x: 3 * x, X, tmp_path / "a")
    np.testing.assert_array_equal(stored.outputs, 3 * X)
    assert "20 rows" in caplog.text and "Give `name=`" in caplog.text
    StoredOutputs.collect(lambda x: 2 * x, X, tmp_path / "b", name="first")
    for name in ("second", None):
        with pytest.raises(ValueError, match="outputs for another teacher"):
            StoredOutputs.collect(lambda x: x, X, tmp_path / "b", name=name)
    with pytest.raises(ValueError, match="`name` must be a string"):
        StoredOutputs.collect(lambda x: x, X, tmp_path / "c", name=3)


def test_a_collection_that_begins_anew_is_not_complete(tmp_path):
    StoredOutputs.collect(Recorded(), X, tmp_path, batch_size=8)
    with pytest.raises(Interrupted):
        StoredOutputs.collect(Recorded(fails_at=8), X, tmp_path, batch_size=8)
    with pytest.raises(ValueError, match="8 of 20 samples"):
        StoredOutputs(tmp_path)


def test_a_folder_of_the_first_version_loads_and_takes_no_more(tmp_path):
    teacher = rows_of("relu")
    StoredOutputs.collect(teacher, X, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    del manifest["version"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    stored = StoredOutputs(tmp_path)
    assert stored.targets(X)["teacher"].shape == (20, 4)
    with pytest.raises(ValueError, match="filled by another version"):
        stored.check_teacher(teacher)
    with pytest.raises(ValueError, match="version 1, not 2"):
        StoredOutputs.collect(teacher, X, tmp_path)


def test_a_folder_without_outputs_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="`path` must be a folder"):
        StoredOutputs(tmp_path / "missing")


@pytest.mark.parametrize("x", [X[:0], {"a": X, "b": X[:5]}])
def test_arrays_must_have_one_length(tmp_path, x):
    with pytest.raises(ValueError, match="arrays of one length, 1 or more"):
        StoredOutputs.collect(Recorded(), x, tmp_path)


def test_targets_hold_what_is_given(tmp_path):
    stored = StoredOutputs.collect(Recorded(), X, tmp_path)
    assert stored.targets(X).keys() == {"teacher"}
    targets = stored.targets(X, Y, Y > 0)
    assert targets.keys() == {"labels", "teacher", "labelled"}
    np.testing.assert_array_equal(targets["teacher"], 2 * X)
    np.testing.assert_array_equal(targets["labels"], Y)


def test_the_manifest_is_json_for_others_to_read(tmp_path):
    StoredOutputs.collect(Recorded(), X, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["num_done"] == manifest["num_samples"] == 20
