import dataclasses
import os
import pathlib

import numpy as np

from keras_eff import child_process
from keras_eff.atomic_write import temporary_folder
from keras_eff.tflite import flatbuffer

_SCRIPT = pathlib.Path(__file__).with_name("execution_script.py")


@dataclasses.dataclass(frozen=True)
class Execution:
    """What a .tflite file computed from samples.

    Quantized outputs are dequantized with the file's own scales; other
    integers stay as they are.

    Args:
        delegate: One array for each output of the file, in its order, computed
            with the default delegate (XNNPACK).
        builtin: The same, computed with the builtin kernels.
        delegate_partitions: Into how many pieces the default delegate took
            the graph; 0 if it took nothing.
        output_scales: The scale of each quantized output, None for the others.
    """

    delegate: list[np.ndarray]
    builtin: list[np.ndarray]
    delegate_partitions: int
    output_scales: list[float | None]


def execute(
    path: str | os.PathLike, inputs: list[np.ndarray], timeout_s: float = 600.0
) -> Execution:
    """Runs a .tflite file under the default delegate and under builtin kernels.

    It runs in a child process: a file that crashes the runtime raises here.

    The file is run once for each sample, or for each batch if its batch
    dimension is fixed to more than one; the last batch is filled up with the
    last sample. Dimensions that the file leaves open follow the samples.
    Samples of the file's own type are fed as they are; others are quantized
    with the scale and zero point of its input, half to even and clipped, or
    converted if it has none.

    Args:
        path: Path of a .tflite file.
        inputs: One array for each input of the file, in its order; samples
            along the first axis.
        timeout_s: Positive number, the time that the child may take, in
            seconds.

    Raises:
        FileNotFoundError: If `path` is not a file.
        ValueError: If it is not a complete .tflite file, or if `inputs` does
            not match its inputs.
        RuntimeError: If the runtime crashes, fails, takes too long or, as
            `KERAS_EFF_CHILD_MEMORY_MB` can change, too much memory.
    """
    flatbuffer.parse(flatbuffer.read(path))
    return execute_unchecked(path, inputs, timeout_s)


def execute_unchecked(
    path: str | os.PathLike, inputs: list[np.ndarray], timeout_s: float = 600.0
) -> Execution:
    """Runs a file as `execute` does, without reading what it holds before."""
    _check_counts(inputs)
    with temporary_folder() as folder:
        payload = {
            "path": os.path.abspath(path),
            "inputs": os.path.join(folder, "inputs.npz"),
            "delegate": os.path.join(folder, "delegate.npz"),
            "builtin": os.path.join(folder, "builtin.npz"),
        }
        np.savez(payload["inputs"], *inputs)
        memory_bytes = child_process.memory_for(path, payload["inputs"])
        result = child_process.run(_SCRIPT, payload, timeout_s, memory_bytes)
        return Execution(
            delegate=_load(payload["delegate"]),
            builtin=_load(payload["builtin"]),
            **result,
        )


def _check_counts(inputs):
    counts = {len(array) if np.ndim(array) else 0 for array in inputs}
    if len(counts) != 1 or 0 in counts:
        shapes = [np.shape(array) for array in inputs]
        raise ValueError(
            "Argument `inputs` must be a list of arrays with the same number "
            f"of samples, at least one. Received: shapes={shapes}"
        )


def _load(path):
    with np.load(path) as arrays:
        return [arrays[name] for name in arrays.files]
