import builtins
import functools

import numpy as np
import pytest
import tensorflow_datasets as tfds

from support.text.text_data import load_texts


@pytest.fixture(scope="module")
def languages():
    return load_texts()


def splits(data):
    return data.train, data.validation, data.test


def test_lines_of_28_languages_come_out_of_the_box(languages):
    assert len(languages.class_names) == 28
    assert "english" in languages.class_names
    assert sum(len(texts) for texts, _ in splits(languages)) > 13_000
    for texts, labels in splits(languages):
        assert len(texts) == len(labels)
        assert set(map(type, texts)) == {str}
        assert set(labels) <= set(range(28))


def test_each_language_is_split_70_10_20(languages):
    counts = np.array(
        [np.bincount(labels, minlength=28) for _, labels in splits(languages)]
    )
    total = counts.sum(0)
    np.testing.assert_allclose(counts[1], 0.1 * total, atol=1)
    np.testing.assert_allclose(counts[2], 0.2 * total, atol=1)


def test_no_line_comes_twice_in_any_case(languages):
    lines = [
        text.casefold() for texts, _ in splits(languages) for text in texts
    ]
    assert len(set(lines)) == len(lines)


def test_splits_are_the_same_in_every_run(languages):
    for first, second in zip(
        splits(languages), splits(load_texts()), strict=True
    ):
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


def test_train_size_keeps_the_first_training_texts(languages):
    data = load_texts(train_size=50)
    np.testing.assert_array_equal(data.train[0], languages.train[0][:50])
    np.testing.assert_array_equal(data.test[0], languages.test[0])


def test_classes_are_mixed(languages):
    assert len(set(languages.train[1][:100])) > 10


def test_missing_package_is_named(monkeypatch):
    original = builtins.__import__

    def importing(name, *args):
        if name in ("chatterbot_corpus", "tensorflow_datasets"):
            raise ImportError(name)
        return original(name, *args)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(ImportError, match="pip install chatterbot-corpus"):
        load_texts()
    with pytest.raises(ImportError, match="pip install tensorflow-datasets"):
        load_texts("imdb_reviews")


def write_csv(path, header="label,text"):
    rows = [f'{"ab"[k % 2]},"text, number {k}"' for k in range(40)]
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    return path


def test_csv_file_is_split(tmp_path):
    data = load_texts(csv_path=write_csv(tmp_path / "a.csv"))
    assert data.class_names == ("a", "b")
    assert [len(texts) for texts, _ in splits(data)] == [28, 4, 8]
    for texts, labels in splits(data):
        numbers = [int(text.removeprefix("text, number ")) for text in texts]
        np.testing.assert_array_equal(np.array(numbers) % 2, labels)


def test_missing_csv_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="csv_path"):
        load_texts(csv_path=tmp_path / "none.csv")


def test_missing_column_is_an_error(tmp_path):
    path = write_csv(tmp_path / "a.csv", "class,text")
    with pytest.raises(ValueError, match="`text` and `label`.*'class'"):
        load_texts(csv_path=path)


def test_two_sources_are_an_error():
    with pytest.raises(ValueError, match="not both"):
        load_texts("imdb_reviews", "a.csv")


class Notes(tfds.core.GeneratorBasedBuilder):
    """Texts with a title: of label k, they end in k."""

    VERSION = tfds.core.Version("1.0.0")
    SPLITS = {"train": 40, "test": 10}
    HIDDEN = ()

    def _info(self):
        features = {
            "body": tfds.features.Text(),
            "kind": tfds.features.ClassLabel(names=["x", "y"]),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager):
        return {
            name: self._generate_examples(name, count)
            for name, count in self.SPLITS.items()
        }

    def _generate_examples(self, name, count):
        for key in range(count):
            label = -1 if name in self.HIDDEN else key % 2
            yield key, {"body": f"{name} {key} é {key % 2}", "kind": label}


class UntestedNotes(Notes):
    """Has no split for tests."""

    SPLITS = {"train": 40}


class HiddenNotes(Notes):
    """Keeps the labels of its test to itself."""

    HIDDEN = ("test",)


@pytest.fixture
def tfds_folder(tmp_path, monkeypatch):
    builder = functools.partial(tfds.builder, data_dir=tmp_path)
    monkeypatch.setattr(tfds, "builder", builder)


def test_tfds_features_are_found_and_validation_is_of_train(tfds_folder):
    data = load_texts("notes")
    assert data.class_names == ("x", "y")
    assert [len(texts) for texts, _ in splits(data)] == [36, 4, 10]
    for (texts, labels), origin in zip(
        splits(data), ("train", "train", "test"), strict=True
    ):
        assert {text.split()[0] for text in texts} == {origin}
        assert [int(text[-1]) for text in texts] == labels.tolist()


def test_tfds_set_without_test_is_an_error(tfds_folder):
    with pytest.raises(ValueError, match="'train' and 'test'.*untested_notes"):
        load_texts("untested_notes")


def test_tfds_set_with_hidden_labels_is_an_error(tfds_folder):
    with pytest.raises(ValueError, match="'test'.*labels.*hidden_notes"):
        load_texts("hidden_notes")
