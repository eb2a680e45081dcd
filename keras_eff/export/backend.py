import keras


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
