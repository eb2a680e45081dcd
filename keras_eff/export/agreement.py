"""Whether a file is close enough to the model that was given."""

import math
import warnings
from collections.abc import Callable

from keras_eff.export.comparison import Comparison
from keras_eff.export.comparison import OutputComparison
from keras_eff.export.comparison import short

_FEWEST = 8
# Standard deviations over the range of an output: 8, 4 and 2 steps of 8 bits.
_VARIES_MUCH = 1 / 32
_VARIES = 1 / 64
_IS_SEEN = 1 / 128
_LOST = 0.5
_LISTED = 8


def check_exactness(
    name: str,
    given: Comparison,
    meant: Comparison,
    tolerance: float,
    explain: Callable[[list[int]], str],
) -> None:
    """Raises if a file does not compute what it is meant to compute."""
    # Written so that NaN fails.
    wrong = [
        number
        for number, row in enumerate(meant.outputs)
        if not row.mean_share <= tolerance
    ]
    if wrong:
        rounded = f"; against it rounded: {meant}" if meant is not given else ""
        raise RuntimeError(
            f"The file does not compute what model {name!r} computes. "
            f"Received, against the model: {given}{rounded}; a mean difference "
            f"of {meant.mean_share:.3g} of the largest output, above "
            f"tolerance={tolerance:.3g}. {explain(wrong)}. Nothing was written"
        )


def check_agreement(
    comparison: Comparison,
    min_agreement: float,
    is_random: bool,
    explain: Callable[[list[int]], str],
) -> None:
    """Raises if a file answers otherwise than the model; warns of what is lost.

    `is_random`: whether the samples are random: then it only warns, as it does
    for fewer than 8. `explain`: from the numbers of the outputs that are wrong
    to the end of the error: where, and the way out.
    """
    if not min_agreement:
        return
    count = comparison.num_samples
    wrong = [
        number
        for number, row in enumerate(comparison.outputs)
        if disagrees(row, count, min_agreement)
    ]
    found = "; ".join(_figures(comparison.outputs[n]) for n in wrong)
    if wrong and not is_random and count >= _FEWEST:
        raise RuntimeError(
            f"The file answers otherwise than the model. Received: {found}, "
            f"over {count} samples, below min_agreement={min_agreement:g}. "
            f"{explain(wrong)}; or give a lower `min_agreement`. Nothing was "
            "written"
        )
    if wrong:
        kind = "random samples" if is_random else "samples"
        warnings.warn(
            f"The file answers otherwise than the model on {count} {kind}, too "
            "weak an evidence to refuse it: give it some tens of real ones. "
            f"Found: {found}",
            stacklevel=3,
        )
    elif not is_random:
        _warn_of_lost_parts(comparison, min_agreement)


def disagrees(row: OutputComparison, num_samples: int, limit: float) -> bool:
    """Whether an output is below the least agreement.

    By `agreement`, with one standard error in its favor, and by the R2 of
    channels that vary. Choices between values that hardly differ are not
    held against it where R2 tells that the values themselves are right, nor
    noise in some channels where the choices are right.
    """
    is_wrong = _chooses_otherwise(row, num_samples, limit)
    if not row.channel_r2:
        return is_wrong
    if is_wrong or row.agreement is None:
        return bool(_below(row, limit, _VARIES))
    if row.is_distribution:
        return False
    lost = _below(row, min(limit, _LOST), _VARIES_MUCH)
    return bool(lost) and (row.num_choices == 1 or row.r2 < 0.0)


def _chooses_otherwise(row, count, limit):
    if row.agreement is None:
        return False
    smoothed = (row.agreement * count + 1) / (count + 2)
    error = math.sqrt(smoothed * (1 - smoothed) / count)
    return row.agreement + error < limit


def _below(row, limit, least_spread):
    """The channels of at least some spread whose R2 is below a limit."""
    pairs = zip(row.channel_r2, row.channel_spread, strict=True)
    return [
        channel
        for channel, (r2, spread) in enumerate(pairs)
        if r2 is not None and r2 < limit and spread >= least_spread
    ]


def _warn_of_lost_parts(comparison, limit):
    lost, constant = [], []
    for row in comparison.outputs:
        is_wrong = _chooses_otherwise(row, comparison.num_samples, limit)
        steady = set(row.faint) & set(row.near_constant)
        if is_wrong and not any(x >= _VARIES for x in row.channel_spread):
            constant.append(
                f"choices of output {row.name!r} (agreement "
                f"{row.agreement:.3f}; its values hardly vary over the samples)"
            )
        elif steady:
            constant.append(_channels(row, sorted(steady)))
        faint = sorted(set(row.faint) - steady)
        if faint:
            lost.append(
                f"{_channels(row, faint)} (spread below one step of the "
                "integers of the tensor)"
            )
        below = sorted(set(_below(row, _LOST, _IS_SEEN)) - set(row.faint))
        if below and not row.is_distribution:
            least = min(row.channel_r2[channel] for channel in below)
            lost.append(f"{_channels(row, below)} (R2 {short(least)})")
    texts = []
    if lost:
        texts.append(
            f"Lost in the file: {'; '.join(lost)}. Where values of another "
            "magnitude share the scale of a tensor, give them an output of "
            "their own, or scale them in the model"
        )
    if constant:
        texts.append(
            "Nearly constant over the samples, so that they tell nothing of "
            f"the file: {'; '.join(constant)}. Give samples on which the model "
            "answers differently"
        )
    if texts:
        warnings.warn(". ".join(texts), stacklevel=4)


def _channels(row, channels):
    if len(row.channel_r2) == 1:
        return f"output {row.name!r}"
    listed = ", ".join(map(str, channels[:_LISTED]))
    if len(channels) > _LISTED:
        listed += f" and {len(channels) - _LISTED} more"
    noun = "channel" if len(channels) == 1 else "channels"
    return f"{noun} {listed} of output {row.name!r}"


def _figures(row):
    parts = []
    if row.agreement is not None:
        parts.append(f"agreement {row.agreement:.3f}")
    worst = row.worst_channel
    if worst is not None:
        parts.append(f"R2 {short(row.r2)}")
        if len(row.channel_r2) > 1:
            least = short(row.channel_r2[worst])
            parts.append(f"R2 {least} in channel {worst}")
    return f"output {row.name!r}: {', '.join(parts)}"
