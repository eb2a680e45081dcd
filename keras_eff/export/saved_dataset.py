import os


def load_dataset(path: str | os.PathLike):
    """Reads a data set that `tf.data.Dataset.save` wrote."""
    # Here, as files are read without TensorFlow.
    import tensorflow as tf

    try:
        return tf.data.Dataset.load(os.fspath(path))
    except (tf.errors.OpError, ValueError, OSError) as error:
        raise ValueError(
            "A data set must be a folder that `tf.data.Dataset.save` wrote. "
            f"Received: {os.fspath(path)}"
        ) from error
