import keras
from keras import ops

from keras_eff.arguments import read_number
from keras_eff.layers.arguments import config_of
from keras_eff.ops.recurrence import linear_recurrence


@keras.saving.register_keras_serializable(package="keras_eff")
class LinearRecurrence(keras.layers.Layer):
    """All states of `state = decay * state + input`, elementwise over time.

    The recurrence of `keras_eff.layers.QRNN`, which has no weights. Where the
    length is static, steps are computed in chunks side by side, in a graph
    without a loop; where it is dynamic, in a loop of `log2(length)` turns. Its
    gradient is the same recurrence, run the other way. Training and inference
    are alike. An int8 file takes the decays to be in [0, 1].

    Args:
        reverse: Boolean, whether it runs from the last step to the first. The
            states stay in the order of the inputs.
        bound: Optional positive float, what no state exceeds in absolute value
            where that is known. It is the range that an int8 file gives them;
            by default the range follows the data.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        decays: Float tensor of shape (batch, length, units).
        inputs: Float tensor of the same shape.
        initial_state: Optional float tensor of shape (batch, units), the state
            before the first step; zero by default.

    Output shape:
        That of `inputs`.

    Raises:
        ValueError: If `bound` is not positive.

    Example:

    >>> from keras_eff.layers.linear_recurrence import LinearRecurrence
    >>> decays, inputs = np.full((1, 3, 1), 0.5), np.ones((1, 3, 1))
    >>> states = LinearRecurrence()(decays, inputs)
    >>> keras.ops.convert_to_numpy(states)[0, :, 0]
    array([1.  , 1.5 , 1.75], dtype=float32)

    Reference:
        - [Blelloch, 1990](https://www.cs.cmu.edu/~guyb/papers/Ble93.pdf),
          section 1.4: why a first-order recurrence can be cut into chunks
    """

    def __init__(self, reverse=False, *, bound=None, **kwargs):
        super().__init__(**kwargs)
        self.reverse = reverse
        if bound is not None:
            bound = read_number("bound", bound, "(0, inf)", also="or None")
        self.bound = bound

    def call(self, decays, inputs, initial_state=None):
        if initial_state is not None:
            inputs = self.started(decays, inputs, initial_state)
        return linear_recurrence(decays, inputs, self.reverse)

    def started(self, decays, inputs, initial_state):
        """The inputs, the first of them with what is left of the state."""
        first = slice(-1, None) if self.reverse else slice(0, 1)
        others = slice(0, -1) if self.reverse else slice(1, None)
        state = ops.expand_dims(initial_state, 1)
        parts = [
            decays[:, first] * state + inputs[:, first],
            inputs[:, others],
        ]
        return ops.concatenate(parts[::-1] if self.reverse else parts, 1)

    def compute_output_spec(self, decays, inputs, initial_state=None):
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), **config_of(self, "reverse bound")}
