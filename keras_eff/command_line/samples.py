import pathlib
import re
import zipfile
from collections.abc import Callable
from collections.abc import Sequence

import click
import numpy as np

from keras_eff.command_line.keras_model import quiet_tensorflow
from keras_eff.export.saved_dataset import load_dataset

_SOURCES = (
    "A .npy file; for several inputs a .npz file with an array for each, by "
    "name or in order; or a folder that `tf.data.Dataset.save` wrote."
)
_POSITION = re.compile(r"arr_\d+")


def samples_option(purpose: str, required: bool = False) -> Callable:
    """The option --samples, whose value is what `load_samples` returns."""
    return click.option(
        "--samples",
        metavar="PATH",
        required=required,
        callback=lambda context, option, path: load_samples(path),
        help=f"{_SOURCES} {purpose}".strip(),
    )


def load_samples(path: str | None):
    """Reads samples for a model, as `keras_eff.export.to_tflite` takes them.

    `path`: A .npy file; or a .npz file, which becomes a list if its arrays are
    called arr_0, arr_1, ..., as `np.savez` calls those without a name, and a
    dict otherwise, but an array, whatever its name, if it is alone; or a folder
    that `tf.data.Dataset.save` wrote; or None.
    """
    if path is None:
        return None
    if pathlib.Path(path).is_dir():
        return _load_dataset(path)
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(f"--samples: there is no file {path}")
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            arrays = {name: loaded[name] for name in loaded.files}
        if not all(isinstance(each, np.ndarray) for each in arrays.values()):
            # Any zip archive can be opened.
            raise ValueError("it is an archive of something else")
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            "--samples must be a .npy or .npz file of numbers, or a folder "
            f"written by `tf.data.Dataset.save`. Received: {path} ({error})"
        ) from error
    return arrays.popitem()[1] if len(arrays) == 1 else _in_order(arrays)


def _load_dataset(path):
    with quiet_tensorflow():
        try:
            return load_dataset(path)
        except ValueError as error:
            raise ValueError(f"--samples: {error}") from error


def _in_order(arrays):
    if not all(map(_POSITION.fullmatch, arrays)):
        return arrays
    names = sorted(arrays, key=lambda name: int(name.removeprefix("arr_")))
    return [arrays[name] for name in names]


def arrange(
    samples, names: Sequence[str], ranks: Sequence[int]
) -> list[np.ndarray]:
    """Returns samples as one array for each input of a file, in its order."""
    if not isinstance(samples, (np.ndarray, list, dict)):
        # Here, as arrays are arranged without Keras.
        from keras_eff.graph.sample_sources import gathered

        with quiet_tensorflow():
            samples = gathered(samples, list(names), list(ranks))
    if isinstance(samples, np.ndarray):
        samples = [samples]
    if isinstance(samples, dict):
        if set(samples) != set(names):
            raise ValueError(
                f"--samples must hold arrays called {', '.join(names)}. "
                f"Received: {', '.join(samples)}"
            )
        return [samples[name] for name in names]
    if len(samples) != len(names):
        raise ValueError(
            f"--samples must hold {len(names)} arrays, for {', '.join(names)}. "
            f"Received: {len(samples)}"
        )
    return list(samples)
