"""What a rewritten operator asks of the runtime."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

_ENTRY = b"min_runtime_version"
_SIZE = 16
_LAST_OLD_NUMBER = schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES


def operator_code(model: schema.ModelT, number: int, version: int) -> int:
    """The index of a builtin operator's code, which is added if it is new."""
    for index, code in enumerate(model.operatorCodes):
        known = max(code.builtinCode, code.deprecatedBuiltinCode)
        if not code.customCode and (known, code.version) == (number, version):
            return index
    code = schema.OperatorCodeT()
    code.builtinCode, code.version = number, version
    # For runtimes from before the numbers outgrew a byte.
    code.deprecatedBuiltinCode = min(number, _LAST_OLD_NUMBER)
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def raise_version(
    model: schema.ModelT, operator: schema.OperatorT, version: int
) -> None:
    """Gives a builtin operator a version, unless it has a higher one."""
    code = model.operatorCodes[operator.opcodeIndex]
    if code.version < version:
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        operator.opcodeIndex = operator_code(model, number, version)


def require_runtime(model: schema.ModelT, version: str) -> None:
    """Has a file name a version of the runtime, unless it names a later one.

    `model`: model of a file of the converter, whose metadata name the earliest
    runtime for it; without that entry it stays. `version`: such as "2.11.0".
    """
    for entry in model.metadata or []:
        if entry.name == _ENTRY:
            stored = bytes(model.buffers[entry.buffer].data)
            versions = (stored.rstrip(b"\0").decode(), version)
            latest = max(versions, key=_numbers).encode()
            data = np.frombuffer(latest.ljust(_SIZE, b"\0"), np.uint8)
            model.buffers.append(schema.BufferT(data))
            entry.buffer = len(model.buffers) - 1


def _numbers(version):
    return [int(part) for part in version.split(".") if part.isdigit()]
