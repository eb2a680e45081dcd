import keras
import tensorflow as tf
from keras import ops


class ArgExtreme(keras.layers.Layer):
    """The place of the largest or smallest element along an axis.

    As `keras.ops.argmax` and `argmin`, in TensorFlow's operators, which TFLite
    has too. Training and inference are alike.

    `which`: "argmax" or "argmin". `axis`: integer, or None for the place in the
    flattened tensor. `keepdims`: boolean, whether the axis stays, with length
    1.

    Call arguments:
        inputs: Tensor.

    Output shape:
        That of the input without the axis, int32.
    """

    def __init__(self, which, axis=None, keepdims=False, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.function = getattr(tf, which)
        self.axis = axis
        self.keepdims = keepdims

    def call(self, inputs):
        rank = len(inputs.shape)
        if self.axis is None:
            places = self.function(ops.reshape(inputs, (-1,)), 0, tf.int32)
            return ops.reshape(places, (1,) * rank) if self.keepdims else places
        places = self.function(inputs, self.axis, tf.int32)
        return ops.expand_dims(places, self.axis) if self.keepdims else places

    def compute_output_spec(self, inputs):
        shape = list(inputs.shape)
        if self.axis is None:
            shape = [1] * len(shape) if self.keepdims else []
        elif self.keepdims:
            shape[self.axis] = 1
        else:
            del shape[self.axis]
        return keras.KerasTensor(shape, "int32")
