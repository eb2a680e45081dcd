"""The summaries that benchmark_model prints at its end."""

import dataclasses
import re
from collections.abc import Sequence

from keras_eff.latency.benchmark_tool.run_times import NUMBER
from keras_eff.latency.benchmark_tool.run_times import RunTimes

_TFLITE = re.compile(
    rf"Inference timings in us: Init: (?P<init>{NUMBER}), First inference: "
    rf"{NUMBER}, Warmup \(avg\): (?:{NUMBER}|-?nan), "
    rf"Inference \(avg\): (?P<mean>{NUMBER})"
)
# TF 1.
_OLD_TFLITE = re.compile(
    rf"Average inference timings in us: Warmup: (?:{NUMBER}|-?nan), "
    rf"Init: (?P<init>{NUMBER}), (?:no stats|Inference): (?P<mean>{NUMBER})"
)
_IS_TFLITE = re.compile(r"(?:Average inference|Inference) timings in us")
_IS_LITERT = re.compile(r"=+ BENCHMARK RESULTS|Inference \(\w+\):")
_MS = r"([0-9]{1,12}\.[0-9]{2})"
_LITERT_INIT = re.compile(rf"Model initialization: +{_MS} ms")
_LITERT_MEAN = re.compile(
    rf"Inference \(avg\): +{_MS} ms \(([0-9]{{1,12}}) runs\)"
)
_LITERT_MIN = re.compile(rf"Inference \(min\): +{_MS} ms")
_LITERT_MAX = re.compile(rf"Inference \(max\): +{_MS} ms")
_LITERT_STD = re.compile(rf"Inference \(std\): +{_MS}")


def only_match(
    pattern: re.Pattern, texts: Sequence[str]
) -> re.Match[str] | None:
    """The match of the line that a pattern describes, if there is one."""
    matches = [pattern.fullmatch(text.strip()) for text in texts]
    matches = [match for match in matches if match]
    if len(matches) > 1:
        found = " | ".join(match[0] for match in matches)
        raise ValueError(f"it has several lines of one kind: {found}")
    return matches[0] if matches else None


@dataclasses.dataclass(frozen=True)
class TFLiteSummary:
    """The summary of TFLite's tool: the mean, of the six digits it prints."""

    text: str
    init_ms: float
    mean_ms: float

    dialect = "tflite"
    # It gives no times but the mean.
    times = None

    @classmethod
    def read(cls, texts: Sequence[str]) -> "TFLiteSummary | None":
        """Returns the summary in a log, or `None` if it is not TFLite's."""
        lines = [text for text in texts if _IS_TFLITE.match(text.strip())]
        if not lines:
            return None
        if len(lines) > 1:
            raise ValueError(f"it has several summaries: {' | '.join(lines)}")
        text = lines[0].strip()
        match = _TFLITE.fullmatch(text) or _OLD_TFLITE.fullmatch(text)
        if not match:
            raise ValueError(f"its summary is damaged: {text}")
        init_ms, mean_ms = (
            float(match["init"]) / 1e3,
            float(match["mean"]) / 1e3,
        )
        return cls(text, init_ms, mean_ms)

    def fits(self, times: RunTimes) -> bool:
        """Whether the times can be those that are summed up."""
        return _six_digits(times.mean_ms) == _six_digits(self.mean_ms)


def _six_digits(time_ms):
    # Of microseconds, as the tool does: a tie must round as it does there.
    return f"{round(time_ms * 1e3, 6):.6g}"


@dataclasses.dataclass(frozen=True)
class LiteRTSummary:
    """The summary of LiteRT's tool: times rounded to .01 ms, no median."""

    text: str
    init_ms: float | None
    times: RunTimes

    dialect = "litert"

    @classmethod
    def read(cls, texts: Sequence[str]) -> "LiteRTSummary | None":
        """Returns the summary in a log, or `None` if it is not LiteRT's."""
        if not any(_IS_LITERT.match(text.strip()) for text in texts):
            return None
        mean = only_match(_LITERT_MEAN, texts)
        others = [
            only_match(pattern, texts)
            for pattern in (_LITERT_MIN, _LITERT_MAX, _LITERT_STD)
        ]
        if not mean or not all(others):
            raise ValueError("its summary is incomplete or damaged")
        init = only_match(_LITERT_INIT, texts)
        least, most, std = (float(match[1]) for match in others)
        times = RunTimes(
            num_runs=int(mean[2]),
            median_ms=None,
            mean_ms=float(mean[1]),
            min_ms=least,
            max_ms=most,
            p5_ms=None,
            p95_ms=None,
            std_ms=std,
        )
        text = " | ".join(match[0] for match in (mean, *others))
        if not times.num_runs or not least <= times.mean_ms <= most:
            raise ValueError(f"its summary contradicts itself: {text}")
        return cls(text, float(init[1]) if init else None, times)

    def fits(self, times: RunTimes) -> bool:
        """Whether the times can be those that are summed up."""
        return times.num_runs == self.times.num_runs and all(
            abs(getattr(times, name) - getattr(self.times, name))
            # A half of the last digit here and of the sixth digit there.
            <= 0.00501 + 1e-5 * getattr(times, name)
            for name in ("mean_ms", "min_ms", "max_ms")
        )
