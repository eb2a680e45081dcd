"""Accuracy of the files of the benchmarks."""

import numpy as np

import keras_eff


def accuracy(path, images, labels):
    """Share of the images for which a file's largest output is the label."""
    (outputs,) = keras_eff.export.execute(path, [images]).delegate
    return np.mean(outputs.argmax(-1) == labels)
