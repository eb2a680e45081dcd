"""The recurrence `h_t = a_t * h_(t-1) + b_t`, elementwise, over axis 1."""

import typing
from collections.abc import Callable

from keras import ops

# Steps in a row; few enough for one CONCATENATION of XNNPACK (five).
_CHUNK = 4


def linear_recurrence(decays, inputs, reverse=False):
    """All states of `state = decay * state + input`, beginning from zero.

    A static length takes chunks of four steps, then chunks of those; a dynamic
    length takes a loop that doubles the steps seen in each turn. The gradient
    is written out: it is the same recurrence, run the other way.

    `decays`: float tensor of shape (batch, length, units). `inputs`: float
    tensor of the same shape. `reverse`: boolean, whether it runs from the last
    step to the first.

    Returns: Float tensor of shape (batch, length, units).
    """

    @ops.custom_gradient
    def recurrence(decays, inputs):
        states = scan(decays, inputs, reverse)

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            # The state of a step is decayed by the one after it.
            after = _shifted(decays, not reverse)
            of_inputs = scan(after, upstream, not reverse)
            return of_inputs * _shifted(states, reverse), of_inputs

        return states, gradient

    return recurrence(decays, inputs)


class Rounding(typing.NamedTuple):
    """What is applied to the tensors of a scan, for integer files.

    Attributes:
        decay: Function of a product of decays.
        state: Function of states, and of what is left of them after a decay.
    """

    decay: Callable = lambda x: x
    state: Callable = lambda x: x


_NO_ROUNDING = Rounding()


def scan(decays, inputs, reverse=False, rounding=_NO_ROUNDING):
    """As `linear_recurrence`, in plain operations.

    `rounding` has no part in a dynamic length.
    """
    if inputs.shape[1] is None:
        return _loop(decays, inputs, reverse)
    if inputs.shape[1] == 0:
        return inputs
    return _by_chunks(decays, inputs, reverse, rounding)


def _by_chunks(decays, inputs, reverse, rounding):
    """Chunks side by side, without what comes before; then with it."""
    length, units = inputs.shape[1:]
    size = min(_CHUNK, length)
    count = -(-length // size)
    decays = _steps(decays, count, size, reverse)
    inputs = _steps(inputs, count, size, reverse)
    state = None
    if count > 1:
        # The last chunk, and with it what was padded, comes before no other.
        ends = [
            x[:, _but_last(reverse)]
            for x in _chunk_ends(decays, inputs, rounding)
        ]
        state = scan(*ends, reverse, rounding)
        state = ops.pad(state, ((0, 0), _first(1, reverse), (0, 0)))
    states = []
    for decay, value in zip(decays, inputs, strict=True):
        if state is not None:
            value = rounding.state(decay * state) + value
        state = rounding.state(value)
        states.append(ops.reshape(state, (-1, count, 1, units)))
    states = ops.concatenate(states[::-1] if reverse else states, 2)
    states = rounding.state(states)
    states = ops.reshape(states, (-1, count * size, units))
    excess = count * size - length
    if excess == 0:
        return states
    return states[:, excess:] if reverse else states[:, :length]


def _chunk_ends(decays, inputs, rounding):
    """What each chunk does, as one step: its decay and its input."""
    total, state = decays[0], inputs[0]
    for decay, value in zip(decays[1:], inputs[1:], strict=True):
        state = rounding.state(rounding.state(decay * state) + value)
        total = rounding.decay(decay * total)
    return total, state


def _steps(x, count, size, reverse):
    """The first step of every chunk, then the second, ..."""
    length, units = x.shape[1:]
    excess = count * size - length
    if excess:
        x = ops.pad(x, ((0, 0), _first(excess, not reverse), (0, 0)))
    x = ops.reshape(x, (-1, count, size, units))
    steps = [
        ops.reshape(x[:, :, i : i + 1], (-1, count, units)) for i in range(size)
    ]
    return steps[::-1] if reverse else steps


def _shifted(x, reverse):
    """Each step's place taken by the step before; 0 before the first."""
    x = x[:, _but_last(reverse)]
    return ops.pad(x, ((0, 0), _first(1, reverse), (0, 0)))


def _but_last(reverse):
    return slice(1, None) if reverse else slice(0, -1)


def _first(count, reverse):
    """The padding of an axis by so many steps before the first."""
    return (0, count) if reverse else (count, 0)


def _loop(decays, inputs, reverse):
    """Each turn doubles the number of steps that every state has seen."""
    length = ops.shape(inputs)[1]
    places = ops.arange(length)

    def seen(distance):
        """The places of the states so far back, and whether there are any."""
        at = places + distance if reverse else places - distance
        exists = ops.logical_and(at >= 0, at < length)
        exists = ops.cast(exists, inputs.dtype)[:, None]
        return ops.clip(at, 0, length - 1), exists

    def turn(distance, decays, states):
        at, exists = seen(distance)
        before = ops.take(states, at, axis=1) * exists
        states = decays * before + states
        decays = decays * ops.take(decays, at, axis=1) * exists
        return distance * 2, decays, states

    _, _, states = ops.while_loop(
        lambda distance, *others: distance < length,
        turn,
        (ops.ones((), "int32"), decays, inputs),
    )
    return states
