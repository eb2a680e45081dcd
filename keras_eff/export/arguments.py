"""Checks of what is given to an export, before the work begins."""

import numbers
import pathlib

import keras

_OF_MODELS = (".keras", ".h5")


def check_backend(what: str) -> None:
    """Raises unless Keras runs on TensorFlow, whose converter writes files.

    Args:
        what: Name of what was called, for the error.

    Raises:
        RuntimeError: On another backend, with the way to a file.
    """
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


def check_numbers(batch_size, tolerance, min_agreement) -> None:
    """Raises unless these arguments of `to_tflite` are numbers in range."""
    if type(batch_size) is not int or batch_size < 1:
        raise ValueError(
            "Argument `batch_size` must be a positive integer. "
            f"Received: batch_size={batch_size!r}"
        )
    if tolerance is not None and not tolerance >= 0:
        raise ValueError(
            "Argument `tolerance` must be a float, 0 or more. "
            f"Received: tolerance={tolerance!r}"
        )
    is_number = isinstance(min_agreement, numbers.Real)
    if (
        not is_number
        or isinstance(min_agreement, bool)
        or not 0 <= min_agreement <= 1
    ):
        raise ValueError(
            "Argument `min_agreement` must be a float in [0, 1]. "
            f"Received: min_agreement={min_agreement!r}"
        )
