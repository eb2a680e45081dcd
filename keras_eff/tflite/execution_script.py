"""The child process of `execute`: runs a .tflite file on samples."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.interpreter import OpResolverType

_NUM_THREADS = 1
_RESOLVERS = {
    "delegate": OpResolverType.AUTO,
    "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
}


def main(payload: dict) -> dict:
    """Runs the file under both sets of kernels and saves its outputs.

    Args:
        payload: Paths: `path` of the file, `inputs` of the samples, `delegate`
            and `builtin` of the outputs to write.
    """
    with np.load(payload["inputs"]) as arrays:
        samples = [arrays[name] for name in arrays.files]
    interpreters = {}
    for name, resolver in _RESOLVERS.items():
        interpreters[name] = Interpreter(
            payload["path"],
            experimental_op_resolver_type=resolver,
            num_threads=_NUM_THREADS,
        )
        np.savez(payload[name], *_run(interpreters[name], samples))
    interpreter = interpreters["delegate"]
    return {
        "delegate_partitions": _count_partitions(interpreter),
        "output_scales": [
            _scale(detail) for detail in interpreter.get_output_details()
        ],
    }


def _run(interpreter, samples):
    details = interpreter.get_input_details()
    if len(details) != len(samples):
        raise ValueError(
            f"Argument `inputs` must have {len(details)} arrays, one for each "
            f"input of the file. Received: {len(samples)} arrays"
        )
    count = len(samples[0])
    batch = batch_size(details)
    chunks = []
    for start in range(0, count, batch):
        rows = np.arange(start, start + batch).clip(max=count - 1)
        chunks.append(invoke(interpreter, [s[rows] for s in samples]))
    return [_join(parts, batch, count) for parts in zip(*chunks, strict=True)]


def batch_size(details):
    ranked = [detail for detail in details if len(detail["shape"])]
    return int(ranked[0]["shape"][0]) if ranked else 1


def invoke(interpreter, chunk):
    details = interpreter.get_input_details()
    feeds = [
        (_shaped(array, detail), detail)
        for array, detail in zip(chunk, details, strict=True)
    ]
    for array, detail in feeds:
        if array.shape != tuple(detail["shape"]):
            interpreter.resize_tensor_input(detail["index"], array.shape)
    interpreter.allocate_tensors()
    interpreter.reset_all_variables()
    for array, detail in feeds:
        interpreter.set_tensor(detail["index"], _encode(array, detail))
    interpreter.invoke()
    return [
        decode(interpreter.get_tensor(detail["index"]), detail)
        for detail in interpreter.get_output_details()
    ]


def _shaped(array, detail):
    """Checks the shape of a batch; a scalar input has no batch axis."""
    signature = detail["shape_signature"]
    shape = array.shape if len(signature) else array.shape[1:]
    fits = len(shape) == len(signature) and all(
        wanted in (-1, size)
        for wanted, size in zip(signature, shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"Input `{detail['name']}` of the file has the shape "
            f"{signature.tolist()}. Received: a batch of shape {array.shape}"
        )
    return array.reshape(shape)


def _encode(array, detail):
    dtype = np.dtype(detail["dtype"])
    scale, zero_point = detail["quantization"]
    if array.dtype == dtype:
        return array
    if scale:
        integers = np.rint(array.astype(np.float64) / scale) + zero_point
        limits = np.iinfo(dtype)
        return integers.clip(limits.min, limits.max).astype(dtype)
    encoded = array.astype(dtype)
    if dtype.kind in "iub" and not np.array_equal(encoded, array):
        raise ValueError(
            f"Input `{detail['name']}` of the file is {dtype.name}, which "
            f"cannot hold the samples. Received: {array.dtype.name} samples "
            f"in [{array.min()}, {array.max()}]"
        )
    return encoded


def decode(array, detail):
    scale = _scale(detail)
    if scale is not None:
        zero_point = detail["quantization"][1]
        return (array.astype(np.float32) - zero_point) * np.float32(scale)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _scale(detail):
    return float(detail["quantization"][0]) or None


def _join(parts, batch, count):
    if parts[0].shape[:1] == (batch,):
        return np.concatenate(parts)[:count]
    return np.stack(parts)


def _count_partitions(interpreter):
    # Private, and read only here: the operators that run, of which each
    # partition that a delegate took is one.
    details = interpreter._get_ops_details()
    return sum(detail["op_name"] == "DELEGATE" for detail in details)
