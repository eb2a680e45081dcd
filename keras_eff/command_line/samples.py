import pathlib
import re
import zipfile
from collections.abc import Sequence

import numpy as np

_POSITION = re.compile(r"arr_\d+")


def load_samples(
    path: str | None,
) -> np.ndarray | list[np.ndarray] | dict[str, np.ndarray] | None:
    """Reads samples for a model, as `keras_eff.export.to_tflite` takes them.

    Args:
        path: A .npy file; or a .npz file, which becomes a list if its arrays
            are called arr_0, arr_1, ..., as `np.savez` calls those without a
            name, and a dict otherwise; or None.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a complete file of arrays of numbers.
    """
    if path is None:
        return None
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
            "--samples must be a .npy or .npz file of numbers. Received: "
            f"{path} ({error})"
        ) from error
    return _in_order(arrays)


def _in_order(arrays):
    if not all(map(_POSITION.fullmatch, arrays)):
        return arrays
    names = sorted(arrays, key=lambda name: int(name.removeprefix("arr_")))
    return [arrays[name] for name in names]


def arrange(samples, names: Sequence[str]) -> list[np.ndarray]:
    """Returns samples as one array for each input of a file, in its order.

    Args:
        samples: What `load_samples` returned.
        names: The names of the file's inputs, in its order.

    Raises:
        ValueError: If their number or their names are others.
    """
    if isinstance(samples, np.ndarray):
        samples = [samples]
    if isinstance(samples, dict) and len(samples) != 1:
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
    return list(samples.values() if isinstance(samples, dict) else samples)
