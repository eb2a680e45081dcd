"""What in a log of benchmark_model tells of a failure or of a fallback."""

import re
from collections.abc import Sequence

from keras_eff.latency.benchmark_tool.log_lines import LogLine

# After any of these no figure counts, whatever else the log says.
_FAILURE = re.compile(
    # benchmark_main.cc, benchmark_litert_model_main.cc
    r"Benchmarking failed"
    # subgraph.cc: "Node number 3 (CONV_2D) failed to invoke."
    r"|failed to invoke"
    # benchmark_litert_model.h
    r"|^Run failed"
    # benchmark_tflite_model.cc, with --require_full_delegation
    r"|Disallowed CPU fallback"
)
# The run went on, but not, or not wholly, where it was asked to.
_FALLBACK = re.compile(
    # benchmark_tflite_model.cc: "Though NNAPI delegate is explicitly applied,
    # the model graph will not be executed by the delegate."
    r"will not be executed by the delegate"
    # The same file: "the model graph will be partially executed by the delegate
    # w/ 3 delegate kernels."
    r"|will be partially executed by the delegate"
    # benchmark_tflite_model.cc, interpreter.cc
    r"|Failed to apply .*delegate"
    # interpreter.cc: "Error in applying the default TensorFlow Lite delegate
    # indexed at 0, and all previously applied delegates are reverted."
    r"|Error in applying .*delegate"
    r"|Ignored the default .*delegate"
    r"|Ignoring the error, and continuing anyway"
    # subgraph.cc
    r"|Restored original execution plan"
    # delegate providers: "Could not create Hexagon delegate: platform may not
    # support delegate or required libraries are missing", "GPU acceleration
    # is unsupported on this platform."
    r"|Could not create .*delegate"
    r"|acceleration is (?:unsupported|not supported)"
    # nnapi_implementation.cc: "nnapi error: unable to open library ..."
    r"|unable to open library"
    # gpu/delegate.cc: "Following operations are not supported by GPU
    # delegate:", "54 operations will run on the GPU, and the remaining 505
    # operations will run on the CPU.", "Falling back to OpenGL"
    r"|not supported by GPU delegate"
    r"|operations will run on the CPU"
    r"|[Ff]all(?:ing|s)? ?back"
)
_BAD_NEWS = re.compile(
    r"fail|error|unable|could not|cannot|abort|invalid|not found|killed"
    r"|segmentation",
    re.IGNORECASE,
)
# The tool warns so of a model that it reads from a file descriptor.
_HARMLESS = "Failed to get the input model file size"
_MAX_LINES = 5


def check_for_failure(lines: Sequence[LogLine]) -> None:
    """Raises a ValueError if a log says that the tool failed."""
    if any(_FAILURE.search(line.text) for line in lines):
        raise ValueError(f"it failed: {decisive_lines(lines)}")


def decisive_lines(lines: Sequence[LogLine]) -> str:
    """Returns the lines that tell best why a log has no result."""
    bad = [line for line in lines if _is_bad(line)]
    if bad:
        # From the first that is called an error: after a flag that it cannot
        # read, the tool lists them all. Else the last.
        first = next(
            (i for i, x in enumerate(bad) if _is_error(x)), -_MAX_LINES
        )
        chosen = bad[first:][:_MAX_LINES]
        return " | ".join(line.text.strip() for line in chosen)
    if lines:
        return f"the last line is: {lines[-1].text.strip()}"
    return "the log is empty"


def read_warnings(lines: Sequence[LogLine]) -> tuple[str, ...]:
    """Returns the lines of a run with a result that its user must know."""
    found = [
        line.text.strip()
        for line in lines
        if line.level in ("E", "F") or _FALLBACK.search(line.text)
    ]
    return tuple(dict.fromkeys(found))


def _is_error(line):
    return line.level in ("E", "F")


def _is_bad(line):
    if _HARMLESS in line.text:
        return False
    return _is_error(line) or bool(_BAD_NEWS.search(line.text))
