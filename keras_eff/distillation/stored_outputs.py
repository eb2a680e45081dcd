import hashlib
import json
import pathlib

import keras
import numpy as np

from keras_eff.draft import draft

_MANIFEST = "manifest.json"


class StoredOutputs:
    """The outputs of a teacher for one data set, kept on disk.

    Collected once, they teach in any number of epochs and runs at no cost for
    a step, and the teacher need not be in memory. They belong to one data set
    in one order and to one teacher, and are refused for others.

    Args:
        path: String or path, the folder that `collect` filled.

    Raises:
        FileNotFoundError: If the folder holds no collected outputs.
        ValueError: If the collection was not finished.

    Example:

    >>> teacher = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    >>> x, y = np.ones((8, 4), dtype="float32"), np.zeros(8)
    >>> stored = keras_eff.distillation.StoredOutputs.collect(
    ...     teacher, x, "teacher_outputs"
    ... )
    >>> sorted(stored.targets(x, y))
    ['labels', 'teacher']
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        if not (self.path / _MANIFEST).is_file():
            raise FileNotFoundError(
                "Argument `path` must be a folder that "
                "`StoredOutputs.collect` has filled. "
                f"Received: path={str(self.path)!r}"
            )
        self._manifest = json.loads((self.path / _MANIFEST).read_text())
        if self._manifest["num_done"] < self._manifest["num_samples"]:
            raise ValueError(
                "The outputs are not complete: call `StoredOutputs.collect` "
                "again, it goes on where it stopped. Received: "
                f"{self._manifest['num_done']} of "
                f"{self._manifest['num_samples']} samples in "
                f"path={str(self.path)!r}"
            )

    @classmethod
    def collect(cls, teacher, x, path, batch_size=128):
        """Runs the teacher over a data set, as at inference.

        What is there is kept: a call that was interrupted is taken up where it
        stopped, one that had finished costs nothing.

        Args:
            teacher: Built `keras.Model`, or a function of a batch of inputs.
            x: Array or structure of arrays, the inputs of the teacher.
            path: String or path, a folder to fill.
            batch_size: Positive integer.

        Returns:
            A `StoredOutputs`.

        Raises:
            ValueError: If the folder holds outputs of another data set or
                teacher.
        """
        path = pathlib.Path(path)
        path.mkdir(parents=True, exist_ok=True)
        manifest = _manifest_of(teacher, x)
        if (path / _MANIFEST).is_file():
            manifest = _checked(path, manifest)
        for begin in range(
            manifest["num_done"], manifest["num_samples"], batch_size
        ):
            batch = _rows(x, begin, begin + batch_size)
            outputs = _outputs(teacher, batch)
            leaves = keras.tree.flatten(outputs)
            if not begin:
                manifest["structure"] = _structure(outputs)
            for i, leaf in enumerate(leaves):
                _store(path / f"output_{i}.npy", leaf, begin, manifest)
            manifest["num_done"] = min(
                begin + batch_size, manifest["num_samples"]
            )
            _write(path, manifest)
        return cls(path)

    @property
    def outputs(self):
        """The outputs in their structure, mapped from disk."""
        structure = self._manifest["structure"]
        return keras.tree.map_structure(
            lambda i: np.load(self.path / f"output_{i}.npy", mmap_mode="r"),
            structure,
        )

    def targets(self, x, y=None, labelled=None):
        """What `fit` takes for `y`, to be taught by these outputs.

        Args:
            x: The inputs that the outputs were collected for.
            y: Array or structure of arrays, the labels; None where there are
                none, and the student learns from the teacher alone.
            labelled: Optional boolean array, which samples have a label that
                counts.

        Returns:
            Dict of "labels", "teacher" and "labelled", without those not given.

        Raises:
            ValueError: If the inputs are others.
        """
        data = _fingerprint(x)
        if data != self._manifest["data"]:
            raise ValueError(
                "Argument `x` must be the data set that the outputs were "
                "collected for, in the same order. Received: data with "
                f"fingerprint {data[:12]}, not {self._manifest['data'][:12]}"
            )
        given = {"labels": y, "teacher": self.outputs, "labelled": labelled}
        return {name: v for name, v in given.items() if v is not None}

    def check_teacher(self, teacher):
        """Raises a ValueError unless the outputs are those of a teacher."""
        found = _teacher_fingerprint(teacher)
        if found != self._manifest["teacher"]:
            raise ValueError(
                "The outputs must be those of this teacher. Received: a "
                f"teacher with fingerprint {found[:12]}, not "
                f"{self._manifest['teacher'][:12]}"
            )


def _manifest_of(teacher, x):
    sizes = {len(array) for array in keras.tree.flatten(x)}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(
            "Argument `x` must hold arrays of one length, 1 or more. "
            f"Received: lengths {sorted(sizes)}"
        )
    return {
        "data": _fingerprint(x),
        "teacher": _teacher_fingerprint(teacher),
        "num_samples": sizes.pop(),
        "num_done": 0,
    }


def _checked(path, wanted):
    """The manifest that is there, if it is of this data set and teacher."""
    found = json.loads((path / _MANIFEST).read_text())
    for name in ("data", "teacher"):
        if found[name] != wanted[name]:
            raise ValueError(
                f"The folder holds outputs for another {name}: give another "
                f"`path`, or delete it. Received: path={str(path)!r} with "
                f"fingerprint {found[name][:12]}, not {wanted[name][:12]}"
            )
    return found


def _fingerprint(structure):
    digest = hashlib.sha256()
    for array in keras.tree.flatten(structure):
        array = np.ascontiguousarray(array)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.data.cast("B"))
    return digest.hexdigest()


def _teacher_fingerprint(teacher):
    """Of the weights; of the name, for a function."""
    if isinstance(teacher, keras.Model):
        return _fingerprint(teacher.get_weights())
    name = getattr(teacher, "__qualname__", type(teacher).__qualname__)
    return hashlib.sha256(name.encode()).hexdigest()


def _outputs(teacher, batch):
    if isinstance(teacher, keras.Model):
        outputs = teacher.predict_on_batch(batch)
    else:
        outputs = teacher(batch)
    return keras.tree.map_structure(keras.ops.convert_to_numpy, outputs)


def _structure(outputs):
    """The outputs with numbers in place of arrays, as JSON holds it."""
    count = len(keras.tree.flatten(outputs))
    return keras.tree.pack_sequence_as(outputs, list(range(count)))


def _store(path, rows, begin, manifest):
    shape = (manifest["num_samples"], *rows.shape[1:])
    if begin:
        array = np.lib.format.open_memmap(path, "r+")
    else:
        array = np.lib.format.open_memmap(path, "w+", rows.dtype, shape)
    array[begin : begin + len(rows)] = rows
    array.flush()


def _write(path, manifest):
    """Whole or not at all."""
    with draft(path / _MANIFEST, json.dumps(manifest).encode()):
        pass


def _rows(x, begin, end):
    return keras.tree.map_structure(lambda array: array[begin:end], x)
