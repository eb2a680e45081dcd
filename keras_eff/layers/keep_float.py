import keras
from keras import ops

# The largest float32 below 1: an identity that no converter folds away.
_ALMOST_ONE = 1.0 - 2.0**-24


@keras.saving.register_keras_serializable(package="keras_eff")
class KeepFloat(keras.layers.Layer):
    """Passes its input on, and keeps what computed it in float in the file.

    A TFLite converter turns an operation between two fake-quantized tensors
    into an integer one. `keras_eff.quantize` puts this layer after those that
    stay float; place it by hand after a layer that should, before its
    `FakeQuant`. It costs one cheap float operation in the file, and
    `keras_eff.export.to_tflite` adds another before what is kept. The output
    differs from the input by at most one unit in the last place. Training and
    inference are alike.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Float tensor.

    Input shape:
        Any.

    Output shape:
        Same as the input shape.

    Example:

    >>> from keras_eff.layers.keep_float import KeepFloat
    >>> keras.ops.convert_to_numpy(KeepFloat()(np.ones(2)))
    array([1., 1.], dtype=float32)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs):
        return ops.leaky_relu(inputs, _ALMOST_ONE)

    def compute_output_shape(self, input_shape):
        return input_shape
