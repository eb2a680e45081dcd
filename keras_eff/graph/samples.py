"""Samples for a model: checked once, then fed batch by batch."""

from collections.abc import Iterator

import keras
import numpy as np

from keras_eff.graph.end_names import end_names
from keras_eff.graph.end_names import file_names_of_keys
from keras_eff.graph.sample_sources import gathered
from keras_eff.graph.walk import pack_inputs
from keras_eff.graph.walk import readers_of
from keras_eff.layers import FakeQuant
from keras_eff.layers.cloning import layers_of


def check_samples(model, samples) -> list[np.ndarray]:
    """The samples as one array for each input, in the order of the inputs."""
    arrays = _in_order(model, samples)
    if len({len(array) for array in arrays}) != 1:
        raise ValueError(
            "Argument `samples` must hold as many samples for each input. "
            f"Received: shapes {[array.shape for array in arrays]}"
        )
    if not len(arrays[0]):
        raise ValueError(
            "Argument `samples` must hold at least one sample. Received: "
            f"shapes {[array.shape for array in arrays]}"
        )
    names, _ = end_names(model)
    return [
        _fitted(*each) for each in zip(arrays, model.inputs, names, strict=True)
    ]


def _in_order(model, samples):
    names, _ = end_names(model)
    keys = file_names_of_keys(model)
    ranks = [len(tensor.shape) for tensor in model.inputs]
    samples = gathered(samples, names, ranks, keys)
    if isinstance(samples, dict):
        samples = {keys.get(key, key): x for key, x in samples.items()}
        if set(samples) != set(names):
            raise ValueError(
                f"Argument `samples` must have the keys {names}. "
                f"Received: {sorted(samples)}"
            )
        samples = [samples[name] for name in names]
    elif not isinstance(samples, (list, tuple)):
        samples = [samples]
    if len(samples) != len(names):
        raise ValueError(
            f"Argument `samples` must hold one array for each of {names}. "
            f"Received: {len(samples)} arrays"
        )
    return [_array(sample) for sample in samples]


def _array(sample):
    array = np.asarray(sample)
    if array.ndim == 0 or array.dtype.kind not in "fiub":
        raise ValueError(
            "Argument `samples` must hold arrays of numbers, or be a data set, "
            "a generator or a list of them. Received: "
            f"{type(sample).__module__}.{type(sample).__name__}"
        )
    return array


def _fitted(array, tensor, name):
    shape = tensor.shape[1:]
    fits = len(shape) == array.ndim - 1 and all(
        want in (None, got)
        for want, got in zip(shape, array.shape[1:], strict=True)
    )
    if not fits:
        raise ValueError(
            f"Argument `samples` must have shape (samples, {_text(shape)}) "
            f"for input {name!r}. Received: shape {array.shape}"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(
            "Argument `samples` must be finite. Received: NaN or infinity "
            f"for input {name!r}"
        )
    wants_float = "float" in tensor.dtype
    if wants_float != (array.dtype.kind == "f") and not (
        wants_float and array.dtype.kind in "iu"
    ):
        raise ValueError(
            f"Argument `samples` must be of dtype {tensor.dtype} for input "
            f"{name!r}. Received: dtype {array.dtype}"
        )
    return array.astype(tensor.dtype)


def _text(shape):
    return ", ".join("any" if size is None else str(size) for size in shape)


def batches(model, arrays: list[np.ndarray], batch_size: int) -> Iterator:
    """Batches of samples in the structure that `model` takes."""
    for start in range(0, len(arrays[0]), batch_size):
        part = [array[start : start + batch_size] for array in arrays]
        yield pack_inputs(model, part)


def roundings_of(model, tensor) -> list[FakeQuant]:
    """The `FakeQuant` layers that read an input of a model."""
    return [x for x in readers_of(model, tensor) if isinstance(x, FakeQuant)]


def random_samples(
    model, count: int, shapes: list[tuple] | None = None
) -> list[np.ndarray]:
    """Random samples, one array for each input, from a fixed seed.

    Floats are within the range of the `FakeQuant` that reads the input, else
    normally distributed; integers are ids that every embedding knows.

    `shapes`: shapes of the inputs without the batch, by default the model's;
    open dimensions become 16.
    """
    generator = np.random.default_rng(0)
    shapes = shapes or [x.shape[1:] for x in model.inputs]
    return [
        _random(generator, model, x, (count, *(size or 16 for size in shape)))
        for x, shape in zip(model.inputs, shapes, strict=True)
    ]


def _random(generator, model, tensor, shape):
    if "float" not in tensor.dtype:
        sizes = [
            layer.input_dim
            for layer in layers_of(model, keras.layers.Layer)
            if hasattr(layer, "input_dim")
        ]
        limit = min([10, *sizes])
        limit = 2 if tensor.dtype == "bool" else limit
        return generator.integers(0, limit, shape).astype(tensor.dtype)
    roundings = roundings_of(model, tensor)
    if roundings:
        low, high = roundings[0].range
        return generator.uniform(low, high, shape).astype(tensor.dtype)
    return generator.standard_normal(shape).astype(tensor.dtype)
