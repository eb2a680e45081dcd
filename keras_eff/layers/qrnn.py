import keras
from keras import ops

from keras_eff.arguments import read_choice
from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.layers.arguments import OF_WEIGHTS
from keras_eff.layers.arguments import config_of
from keras_eff.layers.arguments import read_seed
from keras_eff.layers.arguments import take
from keras_eff.layers.linear_recurrence import LinearRecurrence
from keras_eff.layers.zoneout import Zoneout
from keras_eff.ops.sequences import is_last
from keras_eff.ops.sequences import last
from keras_eff.ops.sequences import preceded

_POOLINGS = ("f", "fo", "ifo")
_WITHIN_ONE = (keras.activations.tanh, keras.activations.sigmoid)


@keras.saving.register_keras_serializable(package="keras_eff")
class QRNN(keras.layers.Layer):
    """A quasi-recurrent layer: a convolution, then an elementwise recurrence.

    Takes the place of `keras.layers.LSTM`, with the same call signature, also
    in `keras.layers.Bidirectional`. What costs most, the gates, is one
    convolution over all steps at once; what recurs has no weights. A file for
    a static length has no loop.

    With `z = activation(conv(x))` and gates
    `f, o, i = recurrent_activation(conv(x))`, of `window` inputs each:

    - "f": `h = f * h' + (1 - f) * z`
    - "fo": `c = f * c' + (1 - f) * z`, `h = o * c`
    - "ifo": `c = f * c' + i * z`, `h = o * c`

    In training, `zoneout` keeps random units as they were; else training and
    inference are alike. A masked step counts as zeros in the window of later
    ones, leaves the state as it was, and its output is zero. Without
    `return_sequences` the output is that of the last step not masked, zero if
    there is none.

    Args:
        units: Positive integer, size of the output.
        window: Positive integer, how many inputs a gate sees, the last one
            the current.
        pooling: "f", "fo" or "ifo".
        return_sequences: Boolean, whether to return the outputs of all steps
            or the last.
        return_state: Boolean, whether to return the states too.
        go_backwards: Boolean, whether to begin at the last step; outputs come
            in the order of processing. The kernel stays in the order of time.
        stateful: Boolean, whether a batch begins with the states in which the
            last one ended. It needs a static batch size.
        activation: Activation of `z`.
        recurrent_activation: Activation of the gates, into [0, 1].
        use_bias: Boolean, whether the convolution has a bias.
        zoneout: Float in [0, 1), the probability that a unit stays as it was
            in a step of training.
        seed: Optional integer, for zoneout that repeats.
        **kwargs: `kernel_initializer`, `bias_initializer` and so on, as in
            `keras.layers.Conv1D`, and arguments of `keras.layers.Layer`.

    Call arguments:
        sequences: Float tensor of shape (batch, length, features).
        initial_state: Optional list of the states to begin with, as
            `return_state` gives them; zeros by default.
        mask: Optional boolean tensor of shape (batch, length).
        training: Boolean, whether zoneout is applied.

    Input shape:
        (batch, length, features)

    Output shape:
        (batch, length, units) or (batch, units); with `return_state` a tuple
        of that and of the states: the recurrent one, (batch, units), and the
        inputs that later windows see, (batch, window - 1, features), unless
        `window` is 1.

    Raises:
        ValueError: If an argument is out of range, or `stateful` has no static
            batch size.

    Example:

    >>> layer = keras_eff.layers.QRNN(8, return_sequences=True)
    >>> tuple(layer(np.ones((2, 5, 3))).shape)
    (2, 5, 8)

    Reference:
        - [Bradbury et al., 2017](https://arxiv.org/abs/1611.01576), section 2
    """

    def __init__(
        self,
        units,
        window=2,
        pooling="fo",
        return_sequences=False,
        *,
        return_state=False,
        go_backwards=False,
        stateful=False,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        zoneout=0.0,
        seed=None,
        **kwargs,
    ):
        arguments = take(OF_WEIGHTS, kwargs)
        super().__init__(**kwargs)
        self.units = read_integer("units", units, 1)
        self.window = read_integer("window", window, 1)
        self.pooling = read_choice("pooling", pooling, _POOLINGS)
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.activation = keras.activations.get(activation)
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.zoneout = read_number("zoneout", zoneout, "[0, 1)")
        self.seed = read_seed(seed)
        policy = self.dtype_policy
        self.convolution = keras.layers.Conv1D(
            (1 + len(pooling)) * self.units,
            self.window,
            use_bias=use_bias,
            name=f"{self.name}_convolution",
            dtype=policy,
            **arguments,
        )
        # Without it there is no state of random numbers either.
        self.zoneout_layer = None
        if self.zoneout:
            name = f"{self.name}_zoneout"
            self.zoneout_layer = Zoneout(
                self.zoneout, self.seed, name=name, dtype=policy
            )
        averages = pooling != "ifo" and self.activation in _WITHIN_ONE
        self.recurrence = LinearRecurrence(
            go_backwards,
            bound=1.0 if averages else None,
            name=f"{self.name}_recurrence",
            dtype=policy,
        )
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.supports_masking = True
        self.states = None

    def build(self, sequences_shape, initial_state_shape=None):
        self.convolution.build((None, None, sequences_shape[-1]))
        if not self.stateful:
            return
        if sequences_shape[0] is None:
            raise ValueError(
                "A stateful QRNN needs a static batch size: give "
                "`keras.Input` a `batch_size`. "
                f"Received: inputs of shape {tuple(sequences_shape)}"
            )
        self.states = [
            self.add_weight(shape, "zeros", trainable=False, name="state")
            for shape in self._state_shapes(sequences_shape)
        ]

    def _state_shapes(self, sequences_shape):
        batch, _, features = sequences_shape
        recurrent, seen = (
            (batch, self.units),
            (batch, self.window - 1, features),
        )
        return [recurrent, seen] if self.window > 1 else [recurrent]

    def reset_state(self):
        """Sets the states of a stateful layer to zero."""
        for state in self.states or ():
            state.assign(ops.zeros(state.shape, state.dtype))

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if initial_state is None:
            initial_state = self.states
        state, seen = self._checked_states(initial_state)
        weights = None if mask is None else self._weights(mask)
        if mask is not None:
            sequences = sequences * weights
        sequences = preceded(
            sequences, seen, self.window - 1, self.go_backwards
        )
        gates = self._gates(self._convolved(sequences), training)
        cells = self._cells(gates, state, weights)
        outputs = gates["o"] * cells if "o" in gates else cells
        outputs = self._returned(outputs, mask)
        if not (self.stateful or self.return_state):
            return outputs
        states = self._last_states(cells, sequences, state)
        if self.stateful:
            for variable, value in zip(self.states, states, strict=True):
                variable.assign(value)
        return (outputs, *states) if self.return_state else outputs

    def _checked_states(self, initial_state):
        states = keras.tree.flatten(initial_state)
        if len(states) > 1 + (self.window > 1):
            raise ValueError(
                "Argument `initial_state` must hold the recurrent state and, "
                "if `window` is over 1, the inputs seen before. Received: "
                f"{len(states)} tensors, with window={self.window}"
            )
        return (*states, None)[:2]

    def _weights(self, mask):
        return ops.cast(ops.expand_dims(mask, -1), self.compute_dtype)

    def _convolved(self, sequences):
        if sequences.shape[1] != self.window - 1:
            return self.convolution(sequences)
        # No steps: one more makes a window, and is left out again.
        one_more = ops.pad(sequences, ((0, 0), (0, 1), (0, 0)))
        return self.convolution(one_more)[:, :0]

    def _gates(self, convolved, training):
        gates = {}
        for index, name in enumerate(("z", *self.pooling)):
            start = index * self.units
            gate = convolved[..., start : start + self.units]
            is_gate = name != "z"
            function = self.recurrent_activation if is_gate else self.activation
            gates[name] = function(gate)
        if self.zoneout:
            gates["f"] = self.zoneout_layer(gates["f"], training=training)
        return gates

    def _cells(self, gates, state, weights):
        """The recurrent state after each step."""
        decays = gates["f"]
        forgotten = 1.0 - decays
        if weights is not None:
            forgotten = forgotten * weights
            decays = 1.0 - forgotten
        share = forgotten
        if "i" in gates:
            share = gates["i"] if weights is None else gates["i"] * weights
        inputs = share * gates["z"]
        if state is None:
            return self.recurrence(decays, inputs)
        return self.recurrence(decays, inputs, initial_state=state)

    def _returned(self, outputs, mask):
        if self.return_sequences:
            if mask is not None:
                outputs = outputs * self._weights(mask)
            return ops.flip(outputs, 1) if self.go_backwards else outputs
        if mask is not None:
            outputs = outputs * self._weights(is_last(mask, self.go_backwards))
            return ops.sum(outputs, 1)
        return last(outputs, self.go_backwards)

    def _last_states(self, cells, sequences, state):
        if state is None or cells.shape[1] != 0:
            state = last(cells, self.go_backwards)
        if self.window == 1:
            return [state]
        seen = self.window - 1
        steps = slice(seen) if self.go_backwards else slice(-seen, None)
        return [state, sequences[:, steps]]

    def compute_mask(self, inputs, mask=None):
        outputs_mask = None
        if mask is not None and self.return_sequences:
            outputs_mask = ops.flip(mask, 1) if self.go_backwards else mask
        if not self.return_state:
            return outputs_mask
        return [outputs_mask, *[None] * len(self._state_shapes((None,) * 3))]

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        batch, length, _ = sequences_shape
        shape = (batch, length, self.units)
        if not self.return_sequences:
            shape = (batch, self.units)
        if not self.return_state:
            return shape
        return (shape, *self._state_shapes(sequences_shape))

    def get_config(self):
        names = (
            "units window pooling return_sequences return_state go_backwards "
            "stateful zoneout seed"
        )
        of_convolution = self.convolution.get_config()
        serialize = keras.activations.serialize
        return {
            **super().get_config(),
            **config_of(self, names),
            **{x: of_convolution[x] for x in ("use_bias", *OF_WEIGHTS)},
            "activation": serialize(self.activation),
            "recurrent_activation": serialize(self.recurrent_activation),
        }
