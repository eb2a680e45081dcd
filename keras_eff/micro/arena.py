import dataclasses
import importlib.util
import os
import pathlib

from keras_eff import arguments
from keras_eff import child_process
from keras_eff.tflite import flatbuffer

_SCRIPT = pathlib.Path(__file__).with_name("arena_script.py")
# Room for the interpreter's own objects: without it, the process ends.
_LEAST_BYTES = 2**12


@dataclasses.dataclass(frozen=True)
class Arena:
    """The memory that TensorFlow Lite Micro needs for a .tflite file.

    Attributes:
        total_bytes: Integer, the smallest arena, in steps of 16 bytes, with
            which the file runs.
        head_bytes: Integer, the part that activations share, planned so that
            those which are not alive together overlap.
        tail_bytes: Integer, the part that stays: variables, and what the
            interpreter and its kernels keep. Where head and tail together are
            less than the total, the difference is needed for a moment while
            the interpreter starts.
    """

    total_bytes: int
    head_bytes: int
    tail_bytes: int


def arena_size(
    path: str | os.PathLike, *, max_bytes: int = 2**26, timeout_s: float = 600.0
) -> Arena:
    """Finds the tensor arena that a .tflite file needs on a microcontroller.

    It is found by running the file in TensorFlow Lite Micro, in the
    `tflite-micro` package, with arenas of several sizes, in a process of its
    own: a file that crashes it raises here.

    The figure is that of this computer and its reference kernels. A device
    with 32-bit pointers needs less for the same objects; kernels optimized for
    it (CMSIS-NN, ESP-NN) may need scratch memory in addition. Begin with this
    size and read `interpreter.arena_used_bytes()` on the device.

    Args:
        path: Path of a .tflite file. Dimensions that it leaves open are 1.
        max_bytes: Integer, at least 4096, the largest arena to try, in bytes.
        timeout_s: Positive number, the time that it may take, in seconds.

    Returns:
        An `Arena`.

    Raises:
        ImportError: If the package `tflite-micro` is not installed.
        FileNotFoundError: If `path` is not a file.
        ValueError: If it is not a complete .tflite file, or an argument is
            out of range.
        RuntimeError: If TensorFlow Lite Micro lacks an operator or a type of
            the file, crashes, fails with `max_bytes`, or takes too long.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> report = keras_eff.export.to_tflite(model, "dense.tflite")
    >>> arena = keras_eff.export.arena_size("dense.tflite")
    >>> arena.total_bytes >= arena.head_bytes + arena.tail_bytes
    True
    """
    max_bytes = arguments.read_integer("max_bytes", max_bytes, _LEAST_BYTES)
    timeout_s = arguments.read_number("timeout_s", timeout_s, "(0, inf)")
    model = flatbuffer.parse(flatbuffer.read(path))
    if importlib.util.find_spec("tflite_micro") is None:
        raise ImportError(
            "`keras_eff.export.arena_size` runs the file in the package "
            "`tflite-micro`: pip install 'keras_eff[micro]'"
        )
    payload = {
        "path": os.path.abspath(path),
        "num_inputs": len(model.subgraphs[0].inputs),
        "max_bytes": max_bytes,
    }
    memory_bytes = child_process.memory_for(path) + max_bytes
    found = child_process.run(_SCRIPT, payload, timeout_s, memory_bytes)
    return Arena(**found)
