"""Whether a file computes what the Keras model computes."""

import dataclasses

import numpy as np

from keras_eff.tflite.execution import Execution

# Of the largest value: less is how floats are rounded, and no signal.
_LEAST_SPREAD = 1e-6
# One step of 8 bits, of the range of a channel and 0.
_ONE_STEP = 1 / 255
_FOLLOWED = 0.5


@dataclasses.dataclass(frozen=True)
class OutputComparison:
    """How far one output of a file is from a Keras model's, at worst.

    Over the default delegate and the builtin kernels. The channels of an
    output lie along its last axis.

    Attributes:
        name: String, the output.
        max_abs_error: Float, largest absolute difference, in its units.
        mean_lsb: Float, mean absolute difference in steps of its integers;
            None where it is not an integer tensor.
        mean_share: Float, mean absolute difference over the largest magnitude
            that the Keras model returns.
        agreement: Float in [0, 1], share of the positions where the largest
            channel is the same (top-1); for an output of integers, such as
            ids, share of the values that are the same; None for floats of
            one channel.
        r2: Float, 1 at most, coefficient of determination: 1 less the sum of
            the squared differences over that of the squared distances of the
            Keras model's values from the means of their channels. A constant
            in place of a signal has 0 or less. Without the channels that are
            `near_constant`; None for integers, and where the Keras model
            returns constants.
        channel_r2: Tuple, the same for each channel, None for those that are
            constant or `near_constant`; empty for integers.
        channel_spread: Tuple of floats, the standard deviation of each channel
            of the Keras model, over the range of the output and 0; empty for
            integers.
        faint: Tuple of integers, channels that vary by less than one step of
            the output's integers: what they say is lost.
        near_constant: Tuple of integers, channels that hardly vary over the
            samples in the Keras model, by one step of 8 bits or less of their
            own range and 0 (of a distribution: of the output's), and whose R2,
            below 0.5, would tell of rounding alone.
        num_choices: Integer, how many channels are the largest one somewhere
            in the Keras model's output: where it is one, `agreement` tells
            nothing.
        is_distribution: Boolean, whether the channels sum to 1, as those of a
            softmax do.
    """

    name: str
    max_abs_error: float
    mean_lsb: float | None
    mean_share: float
    agreement: float | None
    r2: float | None
    channel_r2: tuple[float | None, ...]
    channel_spread: tuple[float, ...]
    faint: tuple[int, ...]
    near_constant: tuple[int, ...]
    num_choices: int
    is_distribution: bool

    @property
    def worst_channel(self) -> int | None:
        """The channel of least R2; None where all are constant."""
        known = {
            i: r2 for i, r2 in enumerate(self.channel_r2) if r2 is not None
        }
        return min(known, key=known.get, default=None)

    def __str__(self):
        parts = []
        kind = "nearly constant" if self.near_constant else "constant"
        is_constant = bool(self.channel_r2) and self.r2 is None
        if self.agreement is not None:
            outputs = f" of {kind} outputs" if is_constant else ""
            parts.append(f"agreement {self.agreement:.3f}{outputs}")
        elif is_constant:
            parts.append(f"{kind} over the samples")
        if self.r2 is not None:
            count = len(self.near_constant)
            noun = "channel" if count == 1 else "channels"
            others = f" ({count} nearly constant {noun} left out)"
            parts.append(f"R2 {short(self.r2)}{others if count else ''}")
        parts.append(f"max {self.max_abs_error:.3g}")
        if self.mean_lsb is not None:
            parts.append(f"mean {self.mean_lsb:.2f} LSB")
        return ", ".join(parts)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How far a file's outputs are from a Keras model's, at worst.

    Each figure is that of the output, and of the kernels, where it is worst.

    Attributes:
        outputs: Tuple of `OutputComparison`.
        num_samples: Integer, how many samples were compared.
    """

    outputs: tuple[OutputComparison, ...]
    num_samples: int

    @property
    def max_abs_error(self) -> float:
        """Largest absolute difference, in units of the output."""
        return float(np.max([row.max_abs_error for row in self.outputs]))

    @property
    def mean_lsb(self) -> float | None:
        """Mean difference in steps of an output's integers, if it has some."""
        return self._worst(max, "mean_lsb")

    @property
    def mean_share(self) -> float:
        """Mean difference over the largest magnitude of the output."""
        return float(np.max([row.mean_share for row in self.outputs]))

    @property
    def agreement(self) -> float | None:
        """Share of the positions with the same choice, if there is one."""
        return self._worst(min, "agreement")

    @property
    def r2(self) -> float | None:
        """Coefficient of determination, of all channels of an output."""
        return self._worst(min, "r2")

    @property
    def worst_channel(self) -> tuple[str, int, float] | None:
        """Output, channel and R2 of the channel that is followed least."""
        found = [
            (row.channel_r2[row.worst_channel], row)
            for row in self.outputs
            if row.worst_channel is not None
        ]
        if not found:
            return None
        r2, row = min(found, key=lambda pair: pair[0])
        return row.name, row.worst_channel, r2

    def __str__(self):
        if len(self.outputs) == 1:
            return str(self.outputs[0])
        return "; ".join(f"{row.name}: {row}" for row in self.outputs)

    def _worst(self, choose, figure):
        values = [getattr(row, figure) for row in self.outputs]
        return choose((v for v in values if v is not None), default=None)


def short(r2: float) -> str:
    """A coefficient of determination, of which far below 0 all are alike."""
    return f"{r2:.3f}" if r2 > -10.0 else f"{r2:.0e}"


def compare(
    expected: list[np.ndarray],
    execution: Execution,
    names: list[str] | None = None,
    steps: list[float | None] | None = None,
) -> Comparison:
    """Compares both runs of a file with the outputs of a Keras model.

    `names`: names of the outputs; their numbers by default. `steps`: what one
    step of each output's integers is worth, None for an output without.
    Defaults to the scales of the outputs.
    """
    names = names or [str(number) for number in range(len(expected))]
    steps = steps or execution.output_scales
    runs = zip(execution.delegate, execution.builtin, strict=True)
    rows = zip(
        names, expected, runs, execution.output_scales, steps, strict=True
    )
    return Comparison(
        tuple(_compare_one(*row) for row in rows), len(expected[0])
    )


def _compare_one(name, expected, actuals, scale, step):
    for actual in actuals:
        _check_shape(name, expected, actual)
    table = _by_channel(expected)
    errors = [np.abs(_by_channel(actual) - table) for actual in actuals]
    noise = np.array([np.sum(np.square(each), axis=0) for each in errors])
    signal = np.sum(np.square(table - table.mean(axis=0)), axis=0)
    peak = float(np.max(np.abs(table)))
    spread = np.ptp(table, axis=0)
    signal[spread <= _LEAST_SPREAD * peak] = 0.0
    extent = max(table.max(), 0.0) - min(table.min(), 0.0)
    deviations = np.sqrt(signal / len(table)) / (extent or 1.0)
    faint = (signal > 0.0) & (spread < (step or 0.0))
    near = _near_constant(table, spread, noise.max(axis=0), signal)
    noise[:, near] = signal[near] = 0.0
    mean = float(np.max(np.mean(errors, axis=(1, 2))))
    is_integer = expected.dtype.kind in "iub"
    channel_r2 = tuple(map(_r2, noise.max(axis=0), signal))
    return OutputComparison(
        name=name,
        max_abs_error=float(np.max(errors)),
        mean_lsb=mean / scale if scale else None,
        mean_share=mean / (peak or 1.0),
        agreement=_agreement(expected, actuals),
        r2=None if is_integer else _r2(noise.sum(axis=1).max(), signal.sum()),
        channel_r2=() if is_integer else channel_r2,
        channel_spread=() if is_integer else tuple(deviations.tolist()),
        faint=_places(faint),
        near_constant=() if is_integer else _places(near),
        num_choices=len(np.unique(np.argmax(table, axis=1))),
        is_distribution=_is_distribution(table),
    )


def _near_constant(table, spread, noise, signal):
    """Which channels hardly vary, and the file does not follow."""
    extents = np.maximum(table.max(axis=0), 0.0)
    extents = extents - np.minimum(table.min(axis=0), 0.0)
    if _is_distribution(table):
        extents = extents.max()
    is_lost = noise > (1.0 - _FOLLOWED) * signal
    return (signal > 0.0) & (spread <= _ONE_STEP * extents) & is_lost


def _check_shape(name, expected, actual):
    if expected.shape != actual.shape:
        raise RuntimeError(
            "The file returns another shape than the Keras model. Received: "
            f"{actual.shape} from the file, {expected.shape} from Keras, for "
            f"output {name!r}"
        )


def _by_channel(array):
    channels = array.shape[-1] if array.ndim > 1 else 1
    return array.astype("float64").reshape(-1, channels)


def _agreement(expected, actuals):
    if expected.dtype.kind in "iub":
        shares = [np.mean(actual == expected) for actual in actuals]
    elif expected.ndim > 1 and expected.shape[-1] > 1:
        choices = np.argmax(expected, axis=-1)
        shares = [np.mean(np.argmax(x, axis=-1) == choices) for x in actuals]
    else:
        return None
    return float(min(shares))


def _r2(noise, signal):
    return float(1.0 - noise / signal) if signal else None


def _places(flags):
    return tuple(np.flatnonzero(flags).tolist())


def _is_distribution(table):
    if table.shape[1] == 1 or table.min() < 0.0:
        return False
    return bool(np.allclose(table.sum(axis=1), 1.0, atol=1e-2))


def keras_outputs(model, batches) -> list[np.ndarray]:
    """What the model returns, one array for each output, in flat order.

    Each batch starts from the state that the model has, as a file does: from
    that of its seeds, for one.
    """
    # Here, as two files are compared without Keras.
    import keras

    parts = []
    for batch in batches:
        with keras.StatelessScope():
            outputs = keras.tree.flatten(model(batch, training=False))
        parts.append([keras.ops.convert_to_numpy(x) for x in outputs])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
