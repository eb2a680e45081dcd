"""Samples out of what people have: data sets, generators, lists of samples."""

from collections.abc import Iterable
from collections.abc import Iterator

import keras
import numpy as np
from absl import logging

_LABELLED = {"x", "y", "sample_weight"}
# Of sources that may have no end.
MOST_SAMPLES = 512


def gathered(samples, names: list, ranks: list[int], keys: dict | None = None):
    """The samples as an array, or a list or dict of arrays for several inputs.

    `names`: what a dict of the model's inputs has as keys, in their order.
    `ranks`: the number of dimensions of each input, the batch's with them.
    `keys`: {another key that a dict may have: its name}.
    """
    reader = _Reader(names, ranks, keys or {})
    if callable(samples) and not isinstance(samples, Iterable):
        # As TFLite's `representative_dataset`.
        samples = samples()
    if isinstance(samples, keras.utils.PyDataset):
        return reader.collect(samples, _batches_of(samples))
    if isinstance(samples, (list, tuple)):
        return reader.of_list(samples)
    if isinstance(samples, dict) and "x" in samples:
        is_labelled = set(samples) <= _LABELLED and "x" not in names
        return samples["x"] if is_labelled else samples
    is_array = hasattr(samples, "__array__") or hasattr(samples, "shape")
    is_whole = is_array or isinstance(samples, (dict, str, bytes))
    if is_whole or not isinstance(samples, Iterable):
        return samples
    return reader.collect(samples, iter(samples))


def _batches_of(dataset) -> Iterator:
    number = 0
    while dataset.num_batches is None or number < dataset.num_batches:
        yield dataset[number]
        number += 1


class _Reader:
    """Finds a model's inputs in what a source holds."""

    def __init__(self, names, ranks, keys):
        self._names = names
        self._ranks = ranks
        self._keys = keys

    def of_list(self, samples):
        """A list of inputs, a list of samples, or a tuple (x, y)."""
        if self._inputs(samples, unbatched=False) is not None:
            return samples
        is_pair = isinstance(samples, tuple) and len(samples) in (2, 3)
        if is_pair and self._inputs(samples[0], unbatched=False) is not None:
            return samples[0]
        if samples and all(self._element(x) is not None for x in samples):
            return self._joined(samples, map(self._element, samples))
        return samples

    def collect(self, source, elements):
        """The first samples of a source, one array for each input."""
        parts, count = [], 0
        for element in elements:
            if count >= MOST_SAMPLES:
                logging.warning(
                    "samples: the first %d of %s are used. Give as many as are "
                    "wanted, such as `dataset.take(n)`, or an array, which is "
                    "used whole",
                    count,
                    _name(source),
                )
                break
            inputs = self._element(element)
            if inputs is None:
                raise ValueError(
                    "Argument `samples` must hold what `fit` takes: inputs, "
                    "or tuples (inputs, labels), in batches or one by one, of "
                    f"{self._ranks} dimensions with the batch's for the inputs "
                    f"{self._names}. Received: {_name(source)} of "
                    f"{_description(element)}"
                )
            parts.append(inputs)
            count += len(inputs[0])
        if not parts:
            raise ValueError(
                "Argument `samples` must hold at least one sample. A generator "
                "can be read once: make a new one. Received: an empty "
                f"{_name(source)}"
            )
        return self._joined(source, parts)

    def _element(self, element):
        """One array for each input, samples along the first axis, or None."""
        if isinstance(element, tuple) and element:
            found = self._inputs(element[0], unbatched=True)
            if found is not None:
                return found
        return self._inputs(element, unbatched=True)

    def _inputs(self, value, unbatched):
        arrays = self._arrays(value)
        if arrays is None:
            return None
        ranks = [array.ndim for array in arrays]
        if ranks == self._ranks:
            return arrays
        if unbatched and ranks == [rank - 1 for rank in self._ranks]:
            return [array[None] for array in arrays]
        return None

    def _arrays(self, value):
        if isinstance(value, dict):
            value = {self._keys.get(key, key): x for key, x in value.items()}
            if set(value) != set(self._names):
                return None
            value = [value[name] for name in self._names]
        elif not isinstance(value, (list, tuple)):
            value = [value]
        if len(value) != len(self._names):
            return None
        try:
            arrays = [np.asarray(item) for item in value]
        except (ValueError, TypeError):
            return None
        is_numeric = all(array.dtype.kind in "fiub" for array in arrays)
        return arrays if is_numeric else None

    def _joined(self, source, parts):
        """A list of arrays in the order of the inputs."""
        columns = list(zip(*parts, strict=True))
        try:
            return [np.concatenate(column) for column in columns]
        except ValueError as error:
            shapes = sorted({array.shape[1:] for array in sum(columns, ())})
            raise ValueError(
                "Argument `samples` must hold samples of one shape: pad or "
                f"crop them. Received: {_name(source)} of shapes {shapes}"
            ) from error


def _name(value):
    return f"{type(value).__module__}.{type(value).__name__}"


def _description(element):
    """Types and shapes, for an error."""
    leaves = keras.tree.flatten(element)
    shapes = [getattr(leaf, "shape", _name(leaf)) for leaf in leaves]
    return f"{type(element).__name__} with {[str(x) for x in shapes]}"
