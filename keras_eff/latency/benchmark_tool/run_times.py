"""The lines of benchmark_model that sum up runs: `count=50 first=...`."""

import dataclasses
import re
from collections.abc import Sequence

# Times are whole microseconds; an average of 1e6 is 1e+06.
NUMBER = r"([0-9]{1,15}(?:\.[0-9]{1,9})?(?:e[+-][0-9]{2})?)"
_SPREAD = (
    rf"first={NUMBER} curr={NUMBER} min={NUMBER} max={NUMBER} avg={NUMBER} "
    rf"std={NUMBER}"
)
_SAME = rf"curr={NUMBER}(\(all same\))?"
_PERCENTILES = rf" p5={NUMBER} median={NUMBER} p95={NUMBER}"
_LINE = re.compile(
    rf"count=([0-9]{{1,12}}) (?:{_SPREAD}|{_SAME})(?:{_PERCENTILES})?"
)
_NO_RUNS = re.compile(rf"count=0(?:{_PERCENTILES})?")
# What looks like such a line and is none was damaged. The operator profile ends
# with a similar line of its own.
_LOOK = re.compile(
    r"(?!Timings \(microseconds\): ).*\b(?:first|curr|median)=|(?:count|p5)="
)


@dataclasses.dataclass(frozen=True)
class RunTimes:
    """What benchmark_model says of a number of runs, in milliseconds.

    Args: As in `Latency`; `max_ms` is the time of the slowest run.
    """

    num_runs: int
    median_ms: float | None
    mean_ms: float
    min_ms: float
    max_ms: float
    p5_ms: float | None
    p95_ms: float | None
    std_ms: float


def read_run_times(texts: Sequence[str]) -> list[RunTimes]:
    """Returns what each such line of a log says: the warm-up, the measurement.

    Older builds of the tool give no percentiles. Where all runs took the same
    time, they are that time.
    """
    lines = [text.strip() for text in texts if _LOOK.match(text.strip())]
    found = [_parse(line) for line in lines if not _NO_RUNS.fullmatch(line)]
    if len({"median=" in line for line in lines}) > 1:
        raise ValueError(
            "only some of its lines have a median: " + " | ".join(lines)
        )
    return found


def _parse(line):
    match = _LINE.fullmatch(line)
    if not match:
        raise ValueError(f"a line of it is damaged: {line}")
    count = int(match[1])
    values = [None if v is None else float(v) for v in match.groups()[1:7]]
    percentiles = [None if v is None else float(v) for v in match.groups()[9:]]
    if match[8] is None:
        times = _spread(count, values, percentiles)
    else:
        times = _same(count, float(match[8]), match[9], percentiles)
    if times is None:
        raise ValueError(f"a line of it contradicts itself: {line}")
    return times


def _spread(count, values, percentiles):
    first, newest, least, most, mean, std = values
    p5, median, p95 = percentiles
    ordered = [p5, median, p95] if median is not None else []
    # The mean is rounded to six digits, the others are not.
    is_sound = (
        count > 1
        and ordered == sorted(ordered)
        and all(least <= time <= most for time in [first, newest, *ordered])
        and least * (1 - 5e-6) <= mean <= most * (1 + 5e-6)
    )
    if not is_sound:
        return None
    return _to_ms(count, median, mean, least, most, p5, p95, std)


def _same(count, time, note, percentiles):
    if (count > 1) != bool(note) or count < 1:
        return None
    if not set(percentiles) <= {time, None}:
        return None
    return _to_ms(count, time, time, time, time, time, time, 0.0)


def _to_ms(count, *times_us):
    return RunTimes(count, *(t if t is None else t / 1e3 for t in times_us))
