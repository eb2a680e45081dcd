"""Lines of a log of benchmark_model, without what the platform puts before."""

import dataclasses
import re

# Android's logcat: "I tflite  : ", "I/tflite  ( 123): ", either after the
# date and the time, the first also after process and thread.
_LOGCAT = re.compile(
    r"(?:[0-9-]{5,10} [0-9:.]{8,18} {1,9})?(?:[0-9]{1,10} {1,9}){0,2}"
    r"([VDIWEF])[/ ][\w.-]{1,99} {0,99}(?:\( {0,9}[0-9]{1,10}\))?: ?",
    re.ASCII,
)
# TFLite since 2023, and LiteRT.
_LEVEL = re.compile(r"(VERBOSE|INFO|WARN|WARNING|ERROR|FATAL): ?")
# LiteRT: "[./litert/tools/benchmark_litert_model.h:92] ".
_SOURCE = re.compile(r"\[[\w./+-]+:[0-9]+\] ?", re.ASCII)


@dataclasses.dataclass(frozen=True)
class LogLine:
    """One line of a log.

    `level`: string, `"V"`, `"D"`, `"I"`, `"W"`, `"E"` or `"F"`; empty where the
    line tells none.
    """

    level: str
    text: str


def split_log(text: str) -> list[LogLine]:
    """Returns the lines of a log that are not empty."""
    lines = map(_parse, re.split(r"[\r\n]+", text))
    return [line for line in lines if line.text.strip()]


def _parse(text):
    level = ""
    for prefix in (_LOGCAT, _LEVEL):
        match = prefix.match(text)
        if match:
            level, text = match[1][0], text[match.end() :]
    match = _SOURCE.match(text)
    return LogLine(level, text[match.end() :] if match else text)
