"""The child process of `file_tensors`: keeps what a file computes inside."""

import importlib.util
import pathlib

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.interpreter import OpResolverType


def main(payload: dict) -> dict:
    """Runs the file with the builtin kernels and saves tensors of it.

    Args:
        payload: Paths: `path` of the file, `inputs` of the samples, `outputs`
            of the tensors to write; and `tensors`, their indices. Each is
            written under its index as an array (samples, elements),
            dequantized; those that do not divide into samples are left out.
    """
    with np.load(payload["inputs"]) as arrays:
        samples = [arrays[name] for name in arrays.files]
    interpreter = Interpreter(
        payload["path"],
        experimental_op_resolver_type=(
            OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
        experimental_preserve_all_tensors=True,
        num_threads=1,
    )
    chunks = list(_chunks(interpreter, samples, payload["tensors"]))
    shared = set.intersection(*map(set, chunks))
    tensors = {str(i): [chunk[i] for chunk in chunks] for i in sorted(shared)}
    count = len(samples[0])
    joined = {i: np.concatenate(rows)[:count] for i, rows in tensors.items()}
    np.savez(payload["outputs"], **joined)
    return {}


def _chunks(interpreter, samples, wanted):
    """Yields {index: rows of values} for each run of the file."""
    execution = _execution()
    batch = execution.batch_size(interpreter.get_input_details())
    count = len(samples[0])
    for start in range(0, count, batch):
        rows = np.arange(start, start + batch).clip(max=count - 1)
        execution.invoke(interpreter, [array[rows] for array in samples])
        found = {}
        for detail in interpreter.get_tensor_details():
            if detail["index"] in wanted:
                array = interpreter.get_tensor(detail["index"])
                if array.size % batch == 0:
                    array = execution.decode(array, detail)
                    found[detail["index"]] = array.reshape(batch, -1)
        yield found


def _execution():
    """The script of `execute`, by its path: a child imports no package."""
    path = pathlib.Path(__file__).parents[1] / "tflite" / "execution_script.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
