import keras
import numpy as np

from keras_eff.graph.affine_terms import scales_features
from keras_eff.graph.book import SAME_SCALE
from keras_eff.graph.book import TIED
from keras_eff.graph.book import kind_of
from keras_eff.graph.walk import is_graph
from keras_eff.graph.walk import nested_calls
from keras_eff.graph.walk import readers_of

# Kinds that leave it to their readers whether values are rounded before.
_MOVING = ("flip", "linear", *SAME_SCALE, *TIED)
_ARITHMETIC = ("add", "multiply", "subtract")


class FloatInputs:
    """Finds the operations that take a model's float inputs as they are.

    Those that are kept float by the caller; where the inputs of the file are
    floats anyway, also those without a kernel of integers and those that give
    each feature a scale; and what moves values about on the way there.
    """

    def __init__(self, model, keeps, kinds, are_free):
        self.keeps = keeps
        self.kinds = kinds
        self.are_free = are_free
        self._readers = {}
        self._scaling = set()
        self._answers = {}
        for node, consumers, _ in nested_calls(model):
            self._note(node, consumers)

    def read(self, operation) -> bool:
        """Whether an operation takes inputs, if it has any, as they are."""
        if operation not in self._answers:
            self._answers[operation] = self._find(operation)
        return self._answers[operation]

    def scale(self, operation) -> bool:
        """Whether it does so to give each feature a scale."""
        return self.are_free and operation in self._scaling

    def _note(self, node, consumers):
        operation = node.operation
        if is_graph(operation):
            self._readers[operation] = [
                reader
                for tensor in operation.inputs
                for reader in readers_of(operation, tensor)
            ]
            return
        known = self._readers.get(operation, ())
        self._readers[operation] = (*known, *consumers)
        if _scales_features(node):
            self._scaling.add(operation)

    def _find(self, operation):
        if operation is None:
            return False
        if self.keeps(operation) or self.scale(operation):
            return True
        kind = kind_of(operation)
        if kind == "model" or kind in _MOVING:
            readers = self._readers[operation]
            return bool(readers) and all(map(self.read, readers))
        has_kernel = kind in self.kinds and kind != "unknown"
        return self.are_free and not has_kernel


def _scales_features(node):
    operation = node.operation
    if kind_of(operation) not in _ARITHMETIC:
        return scales_features(operation)
    leaves = keras.tree.flatten((node.arguments.args, node.arguments.kwargs))
    constants = [x for x in leaves if not isinstance(x, keras.KerasTensor)]
    return any(np.size(x) > 1 for x in constants)
