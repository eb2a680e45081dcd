import keras
import numpy as np
from absl import logging

from keras_eff.graph.samples import batches

_ELSEWHERE = "state that no layer lists, as Keras's global seed"


def state_in_outputs(model, samples, batch_size: int) -> list[str]:
    """Names the layers whose state the model changes and its outputs show.

    Those that draw random numbers at inference, and recurrent ones that go on
    where the last batch ended. A file starts from one state, always the same.
    One that is changed and not shown, as by dropout, has no part in a file.

    Args:
        model: Sequential or Functional model; it is left as it was.
        samples: List of arrays, one for each input.
        batch_size: Integer, the number of samples for a call.
    """
    batch = next(batches(model, cycled(samples, batch_size), batch_size))
    before, changed = _run(model, batch, {})
    if not changed or _same(before, _run(model, batch, changed)[0]):
        return []
    names = []
    for layer in model.layers:
        own = {id(v): changed.pop(id(v), None) for v in layer.variables}
        own = {key: value for key, value in own.items() if value is not None}
        if own and not _same(before, _run(model, batch, own)[0]):
            names.append(layer.name)
    if changed and not _same(before, _run(model, batch, changed)[0]):
        names.append(_ELSEWHERE)
    return names


def warn_of_state(names) -> None:
    """Says what becomes of the state of these layers in a file."""
    if names:
        logging.warning(
            "to_tflite: a file changes no state: each run starts from what the "
            "model holds now, and random numbers are one draw, stored in the "
            "file: %s",
            ", ".join(names),
        )


def cycled(samples, batch_size):
    """Whole batches of samples, the last one repeated, as a file is run."""
    count = len(samples[0])
    rows = np.arange(-(-count // batch_size) * batch_size).clip(max=count - 1)
    return [array[rows] for array in samples]


def _run(model, batch, state):
    """The outputs from another state, and the state after them."""
    scope = keras.StatelessScope()
    scope.state_mapping.update(state)
    with scope:
        outputs = keras.tree.flatten(model(batch, training=False))
        outputs = [keras.ops.convert_to_numpy(x) for x in outputs]
    return outputs, scope.state_mapping


def _same(first, second):
    pairs = zip(first, second, strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)
