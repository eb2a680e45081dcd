import functools
import json
import os
import pathlib

from keras_eff.edgetpu.file_operators import operators
from keras_eff.edgetpu.operator_limits import LIMITS
from keras_eff.edgetpu.report import EdgeTpuReport
from keras_eff.edgetpu.report import EdgeTpuRow
from keras_eff.tflite import flatbuffer

_RULES = pathlib.Path(__file__).with_name("rules.json")
# What the compiler writes for the part of the graph that it took.
_COMPILED = "edgetpu-custom-op"
_CUSTOM_CODE = 32


def lint_edgetpu(path: str | os.PathLike) -> EdgeTpuReport:
    """Tells which operations of a .tflite file the Edge TPU would compute.

    It reads the file's tables and runs nothing. The rules, each with its
    source and whether it is documented, observed or estimated, are in
    `keras_eff/edgetpu/rules.json`. They are those of edgetpu_compiler
    16.0, the last one, without options; the compiler has the last word, as it
    also declines operations for the size of their tensors.

    Three things keep an operation off the Edge TPU: that it is not supported;
    that its tensors are not of 8 bits, of fixed shape and batch 1, or that a
    limit of its own does not hold; that it depends on an operation which the
    CPU computes behind the first one that maps: the compiler takes one part
    of the graph. A version of an operation that is younger than the compiler
    makes it refuse the file.

    Only the main graph is listed; bodies of loops run on the CPU.

    Args:
        path: Path of a .tflite file.

    Returns:
        A `keras_eff.export.EdgeTpuReport`.

    Raises:
        FileNotFoundError: If `path` is not a file.
        ValueError: If it is not a complete .tflite file.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> model.export("float.tflite", format="litert", verbose=False)
    >>> lint = keras_eff.export.lint_edgetpu("float.tflite")
    >>> lint.mapped, lint.first_cpu_op.reason
    (0, 'its input 0 is float32')
    """
    model = flatbuffer.parse(flatbuffer.read(path))
    main, *bodies = (operators(model, i) for i in range(len(model.subgraphs)))
    refusals = _refusals([main, *bodies])
    reasons = _placed(main, [_own_reason(operator) for operator in main])
    if refusals:
        reasons = [reason or "the file is refused" for reason in reasons]
    rows = tuple(
        EdgeTpuRow(op.index, op.name, op.version, not reason, reason or "")
        for op, reason in zip(main, reasons, strict=True)
    )
    return EdgeTpuReport(
        rows=rows,
        refusals=refusals,
        weight_bytes=_weight_bytes(
            [main[row.index] for row in rows if row.maps]
        ),
        on_chip_bytes=_rules()["file"]["on_chip_bytes"]["value"],
    )


@functools.cache
def _rules():
    return json.loads(_RULES.read_text(encoding="utf-8"))


def _refusals(graphs):
    """What the compiler cannot parse; graphs other than the first are named."""
    return tuple(
        f"#{operator.index}{f' of graph {number}' if number else ''} {reason}"
        for number, graph in enumerate(graphs)
        for operator in graph
        if (reason := _version_reason(operator))
    )


def _version_reason(operator):
    if operator.code >= _rules()["file"]["first_unknown_code"]["value"]:
        return f"{operator.name} is younger than the compiler"
    rules = _rules()["operations"] | _rules()["other_operations"]
    rule = None if _is_custom(operator) else rules.get(operator.name)
    if rule is None or operator.version <= rule["max_version"]:
        return None
    return (
        f"{operator.name} has version {operator.version}, the compiler reads "
        f"up to {rule['max_version']}"
    )


def _own_reason(operator):
    """Why an operator does not map by itself, or None."""
    if operator.name == _COMPILED:
        return "it is compiled already"
    reason = _version_reason(operator)
    if reason:
        return reason
    rule = _rules()["operations"].get(operator.name)
    if rule is None or _is_custom(operator):
        return "the operation is not supported"
    return _tensor_reason(operator, rule["limits"]) or _limit_reason(
        operator, rule["limits"]
    )


def _is_custom(operator):
    return operator.code == _CUSTOM_CODE


def _limit_reason(operator, limits):
    reasons = (
        LIMITS[name](operator, value)
        for name, value in limits.items()
        if name in LIMITS
    )
    return next(filter(None, reasons), None)


def _tensor_reason(operator, limits):
    for label, tensor in operator.tensors:
        reason = (
            _constant_reason(tensor)
            if tensor.is_constant
            else _activation_reason(tensor, limits.get("state_dtypes", ()))
        )
        if reason:
            return f"its {label} {reason}"
    return None


def _constant_reason(tensor):
    rules = _rules()["tensors"]
    if tensor.dtype not in rules["constant_dtypes"]["value"]:
        return f"is {tensor.dtype}"
    return "is stored without its zeros" if tensor.is_sparse else None


def _activation_reason(tensor, state_dtypes):
    rules = _rules()["tensors"]
    is_state = tensor.is_variable and tensor.dtype in state_dtypes
    if tensor.dtype not in rules["dtypes"]["value"] and not is_state:
        return f"is {tensor.dtype}"
    if -1 in tensor.shape:
        return f"{list(tensor.shape)} has no fixed shape"
    count = rules["max_inner_dimensions"]["value"]
    if tensor.inner_dimensions > count:
        return (
            f"{list(tensor.shape)} has more than its {count} innermost "
            "dimensions above 1"
        )
    return None


def _placed(graph, reasons):
    """The reasons, with those of operators behind the part that maps.

    Operators follow those they depend on. As TFLite's delegates do, it first
    leaves to the CPU what cannot map at the beginning, and then takes what
    needs nothing else.
    """
    placed = list(reasons)
    blocked = {}
    has_begun = not (reasons and reasons[0])
    leading = set() if has_begun else _leading(graph, reasons)
    for operator in graph:
        if operator.index in leading:
            continue
        culprits = [
            blocked[i] for i in _indices(operator.inputs) if i in blocked
        ]
        if culprits and not placed[operator.index]:
            culprit = min(culprits, key=lambda other: other.index)
            placed[operator.index] = (
                f"after #{culprit.index} {culprit.name}, which the CPU computes"
            )
        if placed[operator.index]:
            source = operator if reasons[operator.index] else culprit
            blocked |= dict.fromkeys(_indices(operator.outputs), source)
    return placed


def _leading(graph, reasons):
    """The operators at the beginning that do not map nor need what does."""
    later = set()
    leading = set()
    for operator in graph:
        is_later = later & set(_indices(operator.inputs))
        if reasons[operator.index] and not is_later:
            leading.add(operator.index)
        else:
            later |= set(_indices(operator.outputs))
    return leading


def _indices(tensors):
    return [tensor.index for tensor in tensors if tensor is not None]


def _weight_bytes(mapped):
    """Bytes of the constants of operators; those that are shared count once."""
    sizes = {
        tensor.buffer: tensor.size_bytes
        for operator in mapped
        for tensor in operator.inputs
        if tensor is not None and tensor.is_constant
    }
    return sum(sizes.values())
