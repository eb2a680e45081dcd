import json
import pathlib

import keras
import numpy as np
from absl import logging

from keras_eff import arguments
from keras_eff.atomic_write import atomic_write
from keras_eff.distillation import fingerprint

_MANIFEST = "manifest.json"
# Of the manifest: the first one knew a teacher by its weights alone.
_VERSION = 2
# Rows that a model is asked for again, to be known.
_NUM_ASKED = 8


class StoredOutputs:
    """The outputs of a teacher for one data set, kept on disk.

    Collected once, they teach in any number of epochs and runs at no cost for
    a step, and the teacher need not be in memory. They belong to one data set
    in one order and to one teacher, and are refused for others. A model is
    known by its weights, its layers and their settings, and by the first rows,
    which it must give again. A function is known by the name that it is given:
    without one, each call of `collect` begins anew.

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
                "again. Received: "
                f"{self._manifest['num_done']} of "
                f"{self._manifest['num_samples']} samples in "
                f"path={str(self.path)!r}"
            )

    @classmethod
    def collect(cls, teacher, x, path, batch_size=128, name=None):
        """Runs the teacher over a data set, as at inference.

        What is there is kept: a call that was interrupted is taken up where it
        stopped, one that had finished costs a few rows.

        Args:
            teacher: Built `keras.Model`, or a function of a batch of inputs,
                which may be NumPy's, ONNX's or another library's.
            x: Array or structure of arrays, the inputs of the teacher.
            path: String or path, a folder to fill.
            batch_size: Positive integer.
            name: Optional string that names the teacher, and its version:
                what a function needs for its outputs to be kept.

        Returns:
            A `StoredOutputs`.

        Raises:
            ValueError: If the folder holds outputs of another data set or
                teacher.
        """
        batch_size = arguments.read_integer("batch_size", batch_size, 1)
        path = pathlib.Path(path)
        path.mkdir(parents=True, exist_ok=True)
        manifest = _manifest_of(teacher, x, name)
        if (path / _MANIFEST).is_file():
            manifest = _kept(path, manifest)
            _check_rows(path, manifest, teacher, x)
        # What is there is no longer complete once rows are written over it.
        _write(path, manifest)
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
        data = fingerprint.of_arrays(x)
        if data != self._manifest["data"]:
            raise ValueError(
                "Argument `x` must be the data set that the outputs were "
                "collected for, in the same order. Received: data with "
                f"fingerprint {data[:12]}, not {self._manifest['data'][:12]}"
            )
        given = {"labels": y, "teacher": self.outputs, "labelled": labelled}
        return {name: v for name, v in given.items() if v is not None}

    def check_teacher(self, teacher, name=None):
        """Raises a ValueError unless the outputs are those of a teacher.

        Args:
            teacher: Built `keras.Model`, or a function.
            name: The name that `collect` was given.
        """
        _check_version(self.path, self._manifest)
        found = fingerprint.of_teacher(teacher, name)
        if found is None:
            raise ValueError(
                "A function is known by the `name` that `collect` was given. "
                f"Received: name=None with teacher={teacher!r}"
            )
        if found != self._manifest["teacher"]:
            raise ValueError(
                "The outputs must be those of this teacher. Received: a "
                f"teacher with fingerprint {found[:12]}, not "
                f"{_short(self._manifest['teacher'])}"
            )


def _manifest_of(teacher, x, name):
    sizes = {len(array) for array in keras.tree.flatten(x)}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(
            "Argument `x` must hold arrays of one length, 1 or more. "
            f"Received: lengths {sorted(sizes)}"
        )
    if name is not None:
        name = arguments.read_string("name", name, also="or None")
    return {
        "version": _VERSION,
        "data": fingerprint.of_arrays(x),
        "teacher": fingerprint.of_teacher(teacher, name),
        "num_samples": sizes.pop(),
        "num_done": 0,
    }


def _kept(path, wanted):
    """The manifest to go on with, if it is of this data set and teacher."""
    found = json.loads((path / _MANIFEST).read_text())
    _check_version(path, found)
    for name in ("data", "teacher"):
        if found[name] != wanted[name]:
            raise ValueError(
                f"The folder holds outputs for another {name}: give another "
                f"`path`, or delete it. Received: path={str(path)!r} with "
                f"fingerprint {_short(found[name])}, not {_short(wanted[name])}"
            )
    if found["teacher"] is not None:
        return found
    logging.warning(
        "StoredOutputs: %d rows in %s are collected anew, for a function is "
        "not known from one call to the next. Give `name=` to keep them.",
        found["num_done"],
        path,
    )
    return wanted


def _check_version(path, manifest):
    if manifest.get("version") != _VERSION:
        raise ValueError(
            "The folder was filled by another version, which did not note "
            "enough of the teacher to tell it from another: give another "
            "`path`, or delete it to collect the outputs anew. "
            f"Received: path={str(path)!r} of version "
            f"{manifest.get('version', 1)}, not {_VERSION}"
        )


def _check_rows(path, manifest, teacher, x):
    """Raises a ValueError unless a model gives again what is there.

    Code of its own, in an activation or a `call`, is in no configuration.
    """
    count = min(manifest["num_done"], _NUM_ASKED)
    if not count or not isinstance(teacher, keras.Model):
        return
    given = keras.tree.flatten(_outputs(teacher, _rows(x, 0, count)))
    for i, rows in enumerate(given):
        kept = np.load(path / f"output_{i}.npy", mmap_mode="r")[:count]
        kept = kept.astype("float64")
        tolerance = 1e-2 * np.max(np.abs(kept), initial=0.0)
        if rows.shape != kept.shape or not np.allclose(
            rows, kept, rtol=0.0, atol=tolerance, equal_nan=True
        ):
            raise ValueError(
                "The folder holds outputs for another teacher: this one, of "
                "equal weights and layers, gives others for the same rows. "
                f"Give another `path`, or delete it. Received: {path}"
            )


def _short(found):
    return "of a function without a name" if found is None else found[:12]


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
    with atomic_write(path / _MANIFEST, json.dumps(manifest).encode()):
        pass


def _rows(x, begin, end):
    return keras.tree.map_structure(lambda array: array[begin:end], x)
