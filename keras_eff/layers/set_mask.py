import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_eff")
class SetMask(keras.layers.Layer):
    """Passes a tensor on with a Keras mask of your choice.

    Bare operations lose the mask of what they read; this layer gives it back.
    Training and inference are alike.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: List of a tensor, and a boolean tensor: its mask, True where
            an entry counts.

    Output shape:
        That of the first tensor.

    Example:

    >>> from keras_eff.layers.set_mask import SetMask
    >>> ids = keras.Input((5,), dtype="int32")
    >>> vectors = keras.layers.Embedding(10, 4)(ids) * 2.0
    >>> masked = SetMask()([vectors, ids != 0])
    >>> keras.layers.GlobalAveragePooling1D()(masked).shape
    (None, 4)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs):
        # A copy: the tensor itself keeps the mask that it has.
        return ops.copy(inputs[0])

    def compute_mask(self, inputs, previous_mask):
        return inputs[1]

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])
