"""Turns models into files, and reads, runs and checks files."""

import importlib
import warnings

import lazy_loader

# What reads files needs neither Keras nor TensorFlow, which take seconds to
# import: names are imported when they are first used. What lies in the folder
# of another part is public here too.
_ELSEWHERE = {
    "debugging.debug": ("debug",),
    "debugging.debug_report": ("DebugReport", "TensorError"),
    "edgetpu.compiler_log": (
        *("CompiledModel", "EdgeTpuLog", "OperationCount"),
        "read_edgetpu_log",
    ),
    "edgetpu.lint": ("lint_edgetpu",),
    "edgetpu.report": ("EdgeTpuReport", "EdgeTpuRow"),
    "edgetpu.to_edgetpu": ("to_edgetpu",),
    "micro.arena": ("Arena", "arena_size"),
    "micro.to_c_array": ("to_c_array",),
    "tflite.execution": ("Execution", "execute"),
    "tflite.file_report": ("FileReport", "TensorInfo"),
    "tflite.inspection": ("inspect",),
}
_HOMES = {name: home for home, names in _ELSEWHERE.items() for name in names}

_own, _, _own_names = lazy_loader.attach(
    __name__,
    submod_attrs={
        "comparison": ["Comparison", "OutputComparison"],
        "report": ["Report"],
        "to_tflite": ["to_tflite"],
    },
)
__all__ = sorted([*_own_names, *_HOMES])


def __getattr__(name):
    if name == "EdgeTpuLint":
        warnings.warn(
            "keras_eff.export.EdgeTpuLint is keras_eff.export.EdgeTpuReport "
            "now: the old name goes in keras_eff 0.3",
            DeprecationWarning,
            stacklevel=2,
        )
        name = "EdgeTpuReport"
    if name not in _HOMES:
        return _own(name)
    return getattr(importlib.import_module(f"keras_eff.{_HOMES[name]}"), name)


def __dir__():
    return list(__all__)
