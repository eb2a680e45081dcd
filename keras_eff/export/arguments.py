"""Checks of what is given to an export, before the work begins."""

import pathlib

import keras

_OF_MODELS = (".keras", ".h5")


def check_backend(what: str) -> None:
    """Raises unless Keras runs on TensorFlow, whose converter writes files."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise RuntimeError(
            f"`{what}` needs the TensorFlow backend of Keras, whose converter "
            'writes the file: save the model, `model.save("model.keras")`, and '
            "load and export it in a process with KERAS_BACKEND=tensorflow, "
            f"where it computes the same. Received: backend {backend!r}"
        )


def check_suffix(path: pathlib.Path) -> None:
    """Raises if a file is to be written in the place of a Keras model."""
    # Most likely, two arguments in the wrong order.
    if path.suffix in _OF_MODELS:
        raise ValueError(
            "Argument `path` must be that of a .tflite file, not of a Keras "
            f"model. Received: path={str(path)!r}"
        )
