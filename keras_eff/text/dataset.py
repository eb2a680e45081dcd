from collections.abc import Callable

import tensorflow as tf

from keras_eff.text.code_points import Characters
from keras_eff.text.code_points import Words


def in_dataset(split: Words | Characters) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns `split` as a function for `tf.data.Dataset.map`.

    It takes one string tensor of any shape, a text or a batch of texts, and
    gives the values that `split` gives, in Python: nothing to save in a model.
    Batches cost less than single texts. For elements of several tensors, call
    it on that of the text.

    Args:
        split: `keras_eff.text.Words` or `keras_eff.text.Characters`.

    Returns:
        Function of a string tensor, to an int32 tensor whose static shape is
        `(*texts.shape, *split.shape)`.

    Raises:
        TypeError: If `split` is neither, or a tensor is not of strings.

    Example:

    >>> import tensorflow as tf
    >>> words = keras_eff.text.in_dataset(keras_eff.text.Words(8, 4))
    >>> dataset = tf.data.Dataset.from_tensor_slices((["Yes", "No"], [1, 0]))
    >>> dataset = dataset.batch(2).map(lambda text, y: (words(text), y))
    >>> dataset.element_spec[0]
    TensorSpec(shape=(None, 8, 4), dtype=tf.int32, name=None)
    """
    if not isinstance(split, (Words, Characters)):
        kind = type(split)
        raise TypeError(
            "Argument `split` must be a `keras_eff.text.Words` or "
            f"`keras_eff.text.Characters`. Received: split={split!r} of type "
            f"{kind.__module__}.{kind.__qualname__}"
        )

    def split_tensor(texts):
        texts = tf.convert_to_tensor(texts)
        if texts.dtype != tf.string:
            raise TypeError(
                "Texts must be a tensor of strings. "
                f"Received: a tensor of dtype {texts.dtype.name}"
            )
        points = tf.numpy_function(split, [texts], tf.int32, stateful=False)
        return tf.ensure_shape(points, texts.shape.concatenate(split.shape))

    return split_tensor
