import pathlib

import numpy as np
import tensorflow as tf

from keras_eff import child_process
from keras_eff.atomic_write import temporary_folder
from keras_eff.export.conversion import as_function
from keras_eff.export.quiet import quiet

_SCRIPT = pathlib.Path(__file__).with_name("calibrated_conversion_script.py")
_TIMEOUT_S = 3600.0


def convert_calibrated(
    model,
    batch_size: int,
    io_dtype: str,
    samples: list[np.ndarray],
    shapes: list[tuple] | None = None,
) -> bytes:
    """The .tflite file of int16 activations and int8 weights of a model.

    The converter itself finds the ranges from samples. On some models, such as
    recurrent layers that are not unrolled, that crashes its process: it runs
    in a child, which takes five seconds to import TensorFlow.
    """
    with temporary_folder() as folder:
        payload = {
            "model": str(folder / "model"),
            "samples": str(folder / "samples.npz"),
            "file": str(folder / "model.tflite"),
            "io_dtype": io_dtype,
        }
        np.savez(payload["samples"], *samples)
        with quiet():
            function = as_function(model, batch_size, shapes)
            _save(model, function, payload["model"])
        try:
            child_process.run(_SCRIPT, payload, _TIMEOUT_S)
        except Exception as error:
            raise RuntimeError(
                "TensorFlow's converter failed to write 16-bit integers for "
                f"model {model.name!r}. Known to make it fail: loops (give "
                "recurrent layers `unroll=True`) and embeddings. Received:\n"
                f"{error}"
            ) from error
        return (folder / "model.tflite").read_bytes()


def _save(model, function, path):
    module = tf.Module()
    module.variables_of_model = [variable.value for variable in model.variables]
    module.run = function
    tf.saved_model.save(module, path)
