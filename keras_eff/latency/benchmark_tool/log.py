import dataclasses
import re
from collections.abc import Sequence

from keras_eff.latency.benchmark_tool.delegation import Delegation
from keras_eff.latency.benchmark_tool.delegation import read_delegations
from keras_eff.latency.benchmark_tool.log_lines import LogLine
from keras_eff.latency.benchmark_tool.log_lines import split_log
from keras_eff.latency.benchmark_tool.log_summary import LiteRTSummary
from keras_eff.latency.benchmark_tool.log_summary import TFLiteSummary
from keras_eff.latency.benchmark_tool.log_summary import only_match
from keras_eff.latency.benchmark_tool.log_warnings import check_for_failure
from keras_eff.latency.benchmark_tool.log_warnings import decisive_lines
from keras_eff.latency.benchmark_tool.log_warnings import read_warnings
from keras_eff.latency.benchmark_tool.op_profile import OpTime
from keras_eff.latency.benchmark_tool.op_profile import has_op_profile
from keras_eff.latency.benchmark_tool.op_profile import read_op_profile
from keras_eff.latency.benchmark_tool.run_times import NUMBER
from keras_eff.latency.benchmark_tool.run_times import RunTimes
from keras_eff.latency.benchmark_tool.run_times import read_run_times

_MIN_RUNS = re.compile(r"Min num runs: \[([0-9]{1,9})\]")
# Where one of these is, the lines that sum up the runs must be too.
_BEFORE_RUNS = (
    "count=",
    "Running benchmark for at least",
    "Initialized session in",
    "The input model file size",
    "Min num runs:",
)
_ROUNDED = (
    "The times are rounded to 0.01 ms: the log has only LiteRT's summary."
)
_UNCONSUMED = re.compile(r"Unconsumed cmdline flags: (.*)")
# The tool's MB are KiB / 1024. What memory grew by, in LiteRT's tool, in
# TFLite's and in TFLite's older ones, is what `peak_memory_mb` means; the peak
# from monitoring contains the tool itself.
_BYTES_PER_MB = 1024 * 1024
_MEMORY = [
    re.compile(
        rf"Overall footprint: +{NUMBER} MB"
        rf"|(?:Memory footprint delta from the start of the tool|"
        rf"Peak memory footprint) \(MB\): init={NUMBER} overall={NUMBER}"
    ),
    re.compile(
        rf"Peak memory: +{NUMBER} MB|Overall peak memory footprint \(MB\) via "
        rf"periodic monitoring: {NUMBER}"
    ),
]


@dataclasses.dataclass(frozen=True)
class BenchmarkLog:
    """What benchmark_model printed.

    Args:
        dialect: `"tflite"` or `"litert"`, whose tool it was.
        max_ms: Float or `None`, time of the slowest run, in milliseconds.
        unconsumed_flags: Tuple of strings, the flags that the tool did not
            know, and so ignored.
        median_ms, mean_ms, min_ms, p5_ms, p95_ms, std_ms, init_ms, num_runs,
            peak_memory_mb, op_profile, delegations, warnings: As in
            `Latency`.
    """

    dialect: str
    median_ms: float | None
    mean_ms: float
    min_ms: float | None
    max_ms: float | None
    p5_ms: float | None
    p95_ms: float | None
    std_ms: float | None
    init_ms: float | None
    num_runs: int
    peak_memory_mb: float | None
    op_profile: tuple[OpTime, ...] | None
    delegations: tuple[Delegation, ...]
    warnings: tuple[str, ...]
    unconsumed_flags: tuple[str, ...]


def read_log(text: str) -> BenchmarkLog:
    """Reads what TFLite's or LiteRT's benchmark_model printed.

    The lines may have the prefixes of Android's logcat. The measured runs are
    those that the summary at the end of the log agrees with, so that a log
    that is cut, damaged or of several runs gives an error and no wrong figure.

    Args:
        text: String, the log, in which bytes that were not UTF-8 are replaced.

    Raises:
        ValueError: If the log is one of a failure, or incomplete, ambiguous or
            inconsistent: says why, with the lines that show it.
    """
    lines = split_log(text)
    check_for_failure(lines)
    texts = [line.text for line in lines]
    summary = _read_summary(lines, texts)
    times = _choose(summary, texts)
    op_profile, notes = _try_op_profile(texts, summary.dialect)
    if times is summary.times:
        notes += (_ROUNDED,)
    return BenchmarkLog(
        dialect=summary.dialect,
        init_ms=summary.init_ms,
        peak_memory_mb=_read_memory(texts),
        op_profile=op_profile,
        delegations=read_delegations(texts),
        warnings=read_warnings(lines) + notes,
        unconsumed_flags=_read_unconsumed(texts),
        **dataclasses.asdict(times),
    )


def _read_summary(
    lines: Sequence[LogLine], texts: Sequence[str]
) -> TFLiteSummary | LiteRTSummary:
    found = [TFLiteSummary.read(texts), LiteRTSummary.read(texts)]
    summaries = [summary for summary in found if summary]
    if not summaries:
        raise ValueError(f"it has no result: {decisive_lines(lines)}")
    if len(summaries) > 1:
        raise ValueError("it has results of TFLite's tool and of LiteRT's")
    return summaries[0]


def _choose(summary, texts) -> RunTimes:
    candidates = read_run_times(texts)
    fitting = {times for times in candidates if summary.fits(times)}
    if len(fitting) > 1:
        min_runs = only_match(_MIN_RUNS, texts)
        least = int(min_runs[1]) if min_runs else 0
        fitting = {t for t in fitting if t.num_runs >= least} or fitting
    if len(fitting) == 1:
        return fitting.pop()
    is_alone = not any(text.startswith(_BEFORE_RUNS) for text in texts)
    if is_alone and summary.times:
        return summary.times
    number = "several different lines" if fitting else "no line"
    raise ValueError(f"{number} `count=...` fit its summary: {summary.text}")


def _read_memory(texts):
    for pattern in _MEMORY:
        match = only_match(pattern, texts)
        if match:
            overall = [group for group in match.groups() if group][-1]
            return float(overall) * _BYTES_PER_MB / 1e6
    return None


def _try_op_profile(texts, dialect):
    if not has_op_profile(texts):
        return None, ()
    try:
        return read_op_profile(texts, is_headed=dialect == "tflite"), ()
    except ValueError as error:
        return None, (f"The operator profile is left out, as {error}.",)


def _read_unconsumed(texts):
    matches = [_UNCONSUMED.fullmatch(text) for text in texts]
    return tuple(
        flag for match in matches if match for flag in match[1].split()
    )
