"""The zeros that a .tflite file leaves out, and where that goes wrong."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_eff.tflite.flatbuffer import readable

_DENSE_RANK = 2
_BESIDE_FLOAT = (
    "weights of 8 bits beside float activations, which the default delegate "
    'misreads: use quantize="int8" or None'
)
_NO_BLOCKS = (
    "dense layers of 8 bits with zeros outside blocks of (16, 1), inputs by "
    "outputs, which the default delegate does not load: prune them in such "
    "blocks, or write float32"
)
_HALF_BLOCKS = (
    "float16 weights with zeros in blocks of ({size}, 1), which no runtime "
    "unpacks: use quantize=None"
)
_CUT_BLOCKS = (
    "dense layers with zeros in blocks of ({size}, 1) whose inputs are no "
    "multiple of {size}, which every runtime misreads: give them such a "
    "number of inputs, or prune them without blocks and write float32"
)


def check_sparsity(model: schema.ModelT, data_type: str) -> None:
    """Raises if a runtime would misread a sparse weight of a .tflite file.

    The converter encodes each weight with 30 % of zeros or more. Where nearly
    all zeros of a dense layer lie in blocks (of 4 inputs in float, of 16 in 8
    bits), the layer reads the blocks that are left; else it reads what an
    operator, DENSIFY, makes of single zeros. Not all that the converter writes
    so is read rightly, or at all.
    """
    faults = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            fault = tensor.sparsity and _fault(tensor, data_type)
            if fault:
                named = (
                    f"{readable(tensor.name)} {tensor.shape.tolist()}".strip()
                )
                faults.setdefault(fault, []).append(named)
    if faults:
        fault, names = next(iter(faults.items()))
        raise ValueError(
            f"Argument `sparse` must be False for {fault}. "
            f"Received: sparse=True, zeros in {names}"
        )


def block_size(tensor: schema.TensorT) -> int:
    """The inputs that a sparse weight keeps or drops together; 1 for one."""
    blocked = tensor.sparsity.blockMap
    is_blocked = blocked is not None and len(blocked) > 0
    return tensor.sparsity.dimMetadata[-1].denseSize if is_blocked else 1


def dense_values(tensor: schema.TensorT, stored: np.ndarray) -> np.ndarray:
    """The values of a weight, with the zeros that its file leaves out."""
    if tensor.sparsity is None:
        return stored.reshape(tensor.shape)
    size = block_size(tensor)
    rows = tensor.sparsity.dimMetadata[len(tensor.shape) - 1]
    counts = np.diff(rows.arraySegments.values)
    numbers = np.repeat(np.arange(len(counts)), counts)
    shape = (len(counts), tensor.shape[-1] // size, size)
    dense = np.zeros(shape, stored.dtype)
    dense[numbers, rows.arrayIndices.values] = stored.reshape(-1, size)
    return dense.reshape(tensor.shape)


def _fault(tensor, data_type):
    """What is wrong with a sparse weight and the way out; None if nothing."""
    size, is_dense_layer = block_size(tensor), len(tensor.shape) == _DENSE_RANK
    is_int8 = tensor.type == schema.TensorType.INT8
    is_float16 = tensor.type == schema.TensorType.FLOAT16
    if is_int8 and data_type == "dynamic":
        return _BESIDE_FLOAT
    if is_int8 and is_dense_layer and size == 1:
        return _NO_BLOCKS
    if is_float16 and size > 1:
        return _HALF_BLOCKS.format(size=size)
    return _CUT_BLOCKS.format(size=size) if tensor.shape[-1] % size else None
