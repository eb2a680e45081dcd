"""What each layer of a Keras model returns for samples."""

import dataclasses

import keras
import numpy as np

from keras_eff.graph import walk
from keras_eff.graph.book import entry_of
from keras_eff.graph.tensor_notes import TensorNotes
from keras_eff.layers import FakeQuant

_LEVELS = 255
_INT8_LOW = -128


@dataclasses.dataclass(frozen=True)
class LayerOutput:
    """A tensor of a Keras model, computed for samples.

    Attributes:
        name: Name of the layer or operation that returned it.
        ancestors: The places of all tensors that it was computed from.
        depth: How many kernels lie between it and the inputs, at most.
        merges: How many operations on several tensors lie there, at most.
        key: The scale and the zero point that its int8 tensor has, None if it
            has not been rounded.
        values: Array (samples, elements).
        end: Its number among the outputs of the model, None if it is none.
    """

    name: str
    ancestors: frozenset[int]
    depth: int
    merges: int
    key: tuple[float, int] | None
    values: np.ndarray
    end: int | None = None


def layer_outputs(model, inputs: list[np.ndarray]) -> list[LayerOutput]:
    """The inputs and what each layer and bare operation returns, in order.

    Nested models are walked into.
    """
    recorder = _Recorder()
    tensors = [keras.ops.convert_to_tensor(array) for array in inputs]
    for old, tensor in zip(model.inputs, tensors, strict=True):
        recorder.add(walk.producer(old).name, tensor, frozenset(), (0, 0), None)
    ends = keras.tree.flatten(walk.replay(model, tensors, recorder.rule))
    for number, tensor in reversed(list(enumerate(ends))):
        recorder.mark_end(tensor, number)
    return recorder.outputs


class _Recorder:
    def __init__(self):
        self.outputs = []
        self._places = TensorNotes()

    def rule(self, call: walk.Call):
        operation = call.operation
        if walk.is_graph(operation):
            return walk.replay(operation, _tensors(call), self.rule)
        returned = operation(*call.args, **call.kwargs)
        sources = [self._places[x] for x in _tensors(call)]
        ancestors = frozenset(sources).union(
            *(self.outputs[place].ancestors for place in sources)
        )
        depth = max((self.outputs[p].depth for p in sources), default=0)
        merges = max((self.outputs[p].merges for p in sources), default=0)
        counts = (depth + _kernels(operation), merges + (len(set(sources)) > 1))
        tensors = keras.tree.flatten(returned)
        for number, tensor in enumerate(tensors):
            name = operation.name + (f":{number}" if len(tensors) > 1 else "")
            self.add(name, tensor, ancestors, counts, _key(operation))
        return returned

    def add(self, name, tensor, ancestors, counts, key):
        if tensor in self._places:
            return
        values = np.asarray(keras.ops.convert_to_numpy(tensor))
        self._places[tensor] = len(self.outputs)
        rows = values.reshape(len(values), -1) if values.ndim else values
        output = LayerOutput(name, ancestors, *counts, key, rows)
        self.outputs.append(output)

    def mark_end(self, tensor, number):
        place = self._places[tensor]
        output = dataclasses.replace(self.outputs[place], end=number)
        self.outputs[place] = output


def _tensors(call):
    leaves = keras.tree.flatten((call.args, call.kwargs))
    return [x for x in leaves if keras.ops.is_tensor(x)]


def _kernels(operation):
    weights = getattr(operation, "weights", ())
    if all(len(weight.shape) < 2 for weight in weights):
        return 0
    return entry_of(operation).num_kernels


def _key(operation):
    if not isinstance(operation, FakeQuant):
        return None
    low, high = operation.range
    if not high > low:
        return None
    scale = (high - low) / _LEVELS
    return scale, round(-low / scale) + _INT8_LOW
