"""The delegates of benchmark_model, and what its log says that they ran."""

import dataclasses
import os
import pathlib
import re

from keras_eff.arguments import wrong_type
from keras_eff.latency.benchmark_tool.log import BenchmarkLog


@dataclasses.dataclass(frozen=True)
class _Delegate:
    """How the tool is asked for a delegate and how it calls it in its log."""

    flag: str
    title: str = ""
    node: str = ""


_XNNPACK_NODE = "TfLiteXNNPackDelegate"
_DELEGATES = {
    "xnnpack": _Delegate("--use_xnnpack=true", "XNNPACK", _XNNPACK_NODE),
    "none": _Delegate("--use_xnnpack=false"),
    "gpu": _Delegate("--use_gpu=true", "GPU", r"TfLite\w*Gpu\w*"),
    "nnapi": _Delegate("--use_nnapi=true", "NNAPI", r"TfLiteNnapi\w*"),
}
_EXTERNAL = _Delegate(
    "--external_delegate_path=", "EXTERNAL", rf"(?!{_XNNPACK_NODE}$).+"
)


def check_delegate(delegate: str | os.PathLike) -> str:
    """Returns the argument `delegate` of a runner, a name or a path."""
    if not isinstance(delegate, str | os.PathLike):
        raise wrong_type("delegate", delegate, "a string or a path")
    name = os.fspath(delegate)
    if name in _DELEGATES:
        return name
    path = pathlib.Path(name)
    if not path.suffix:
        raise ValueError(
            f"Argument `delegate` must be one of {list(_DELEGATES)} or the "
            "path of a delegate's library, such as libdelegate.so. Received: "
            f"delegate={delegate!r}"
        )
    if not path.is_file():
        raise FileNotFoundError(
            "Argument `delegate` must name a library that exists. Received: "
            f"delegate={delegate}"
        )
    return name


def is_external(delegate: str) -> bool:
    """Whether a delegate is a library of its own."""
    return delegate not in _DELEGATES


def delegate_flag(delegate: str, library: str) -> str:
    """Returns the flag that asks for a delegate."""
    if is_external(delegate):
        return _EXTERNAL.flag + library
    return _DELEGATES[delegate].flag


def delegate_title(delegate: str) -> str:
    """Returns what a person calls a delegate."""
    return pathlib.Path(delegate).name if is_external(delegate) else delegate


def is_without_xnnpack(delegate: str, log: BenchmarkLog, output: str) -> bool:
    """Whether the builtin kernels were asked for, of a build with no others.

    Such a build does not know the flag, and does what it asks for.
    """
    is_tflite = log.dialect == "tflite"
    return delegate == "none" and is_tflite and "XNNPACK delegate" not in output


def warn_of_fallback(
    delegate: str, log: BenchmarkLog, output: str
) -> str | None:
    """Returns a warning if the delegate that was asked for may not have run.

    The tool does not fail when a delegate takes no part of the file: the CPU
    then runs it all, and its times look like any other.
    """
    if delegate == "none":
        return None
    asked = _DELEGATES.get(delegate, _EXTERNAL)
    title = delegate_title(delegate)
    if f"Though {asked.title} delegate is explicitly applied" in output:
        return _explain_fallback(title, "the tool says so")
    if f"Explicitly applied {asked.title} delegate" in output or any(
        re.fullmatch(asked.node, delegation.delegate)
        for delegation in log.delegations
    ):
        return None
    if log.dialect == "litert":
        return (
            f"The log does not tell what the delegate {title} ran: LiteRT's "
            "tool does not always report it."
        )
    return _explain_fallback(title, "the log names no operator that it took")


def _explain_fallback(title, reason):
    return (
        f"The delegate {title} ran no part of the file: {reason}. These are "
        "the times of the CPU."
    )
