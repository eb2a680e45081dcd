"""Weights of 4 bits: two values a byte, and the operators that read them."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_eff.tflite import operator_versions
from keras_eff.tflite.flatbuffer import operator_name

# The versions of the operators that read an INT4 weight beside INT8
# activations, and the runtime that has them. Other kernels refuse one.
_VERSIONS = {"CONV_2D": 7, "DEPTHWISE_CONV_2D": 7, "FULLY_CONNECTED": 10}
_RUNTIME = "2.11.0"


def packed(values: np.ndarray) -> np.ndarray:
    """Integers in [-8, 7], two to a byte, the first in the low half.

    Of an odd number, the last byte is filled up with 0.
    """
    flat = values.reshape(-1).astype(np.int8).view(np.uint8) & 0xF
    pairs = np.append(flat, np.zeros(len(flat) % 2, np.uint8)).reshape(-1, 2)
    return pairs[:, 0] | pairs[:, 1] << 4


def takes_int4(
    model: schema.ModelT,
    tensor: schema.TensorT,
    operators: list[schema.OperatorT],
) -> bool:
    """Whether a weight can be INT4 beside INT8 activations."""
    names = {operator_name(model, operator) for operator in operators}
    return tensor.sparsity is None and names <= _VERSIONS.keys()


def pack_weight(
    model: schema.ModelT,
    tensor: schema.TensorT,
    operators: list[schema.OperatorT],
) -> None:
    """Makes an INT8 weight, with values in [-8, 7], an INT4 one."""
    values = model.buffers[tensor.buffer].data.view(np.int8)
    model.buffers.append(schema.BufferT(packed(values)))
    tensor.buffer = len(model.buffers) - 1
    tensor.type = schema.TensorType.INT4
    for operator in operators:
        operator_versions.raise_version(
            model, operator, _VERSIONS[operator_name(model, operator)]
        )
    operator_versions.require_runtime(model, _RUNTIME)
