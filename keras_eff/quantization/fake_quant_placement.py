import keras

from keras_eff.graph.book import FOLLOWING
from keras_eff.graph.book import WEIGHTED
from keras_eff.graph.book import kind_of
from keras_eff.graph.book import unknown_class
from keras_eff.graph.book import unwrapped
from keras_eff.graph.rewriter import Rewriter
from keras_eff.graph.selection import operations
from keras_eff.graph.tensor_notes import TensorNotes
from keras_eff.graph.walk import calls
from keras_eff.graph.walk import is_graph
from keras_eff.graph.walk import producer
from keras_eff.layers import FakeQuant
from keras_eff.layers.keep_float import KeepFloat
from keras_eff.quantization.float_inputs import FloatInputs

# Kinds with a rule for calls that read no floats.
_READ_INTEGERS = ("cast", "from_integers", "model", *WEIGHTED)


class Placement(Rewriter):
    """Rebuilds a model with a FakeQuant wherever an integer file rounds.

    Every tensor of the new model is in a state: "quantized" (rounded, by a
    FakeQuant or by what only moves values about), "pending" (the operation
    that reads it is computed in one step with the one that made it), "input"
    (an input of the whole model, not yet rounded) or "float" (made by a layer
    that stays float).

    `keeps`: predicate on an operation: those stay float. `width_of`: function
    from an operation to the width of its weights. `rounding`: dict of arguments
    for each `FakeQuant`. `input_range`: range of the model's float inputs, or
    None. `float_inputs`: boolean, whether the inputs of the file are floats.

    Attributes:
        integer: List of the names of operations that became integer ones.
        floats: Dict from the names of those that stay float to the reason.
        unknown: List of the classes of layers that the book does not have.
    """

    def __init__(
        self,
        rules,
        keeps,
        width_of,
        rounding,
        input_range,
        float_inputs=False,
    ):
        super().__init__(rules, keeps)
        self.width_of = width_of
        self.rounding = rounding
        self.input_range = input_range
        self.integer = []
        self.floats = {}
        self.unknown = []
        self._states = TensorNotes()
        self._rounded = TensorNotes()
        self._consumers = {}
        self.float_inputs = float_inputs
        self._first = None
        self._unrounded = {}
        self._scaled = TensorNotes()

    def rewrite(self, model, state="input"):
        if self._first is None:
            self._first = FloatInputs(
                model, self.keeps, self.rules, self.float_inputs
            )
        for node, consumers in calls(model):
            # Two consumers fuse with nothing: enough for a shared layer.
            known = self._consumers.get(node.operation, ())
            self._consumers[node.operation] = (*known, *consumers)
        return super().rewrite(
            model,
            on_input=lambda tensor: self.mark(tensor, state),
            on_output=self.quantized,
        )

    def rule(self, call):
        self.begin(call)
        kind = kind_of(call.operation)
        if kind in ("fake_quant", "keep_float", "of_shape"):
            return self.rules[kind](call, self)
        if kind not in _READ_INTEGERS and not reads_floats(call):
            return self.without_rounding(call)
        if self.keeps(call.operation) and not self._follows(call, kind):
            return self.stay_float(call, "skipped")
        if kind != "model" and self._is_unrounded(call):
            return self.read_inputs(call, kind)
        if kind == "model":
            return self.nested(call)
        return self.rules.get(kind, self.rules["unknown"])(call, self)

    def _is_unrounded(self, call):
        """Whether all it reads are inputs that it takes as they are."""
        tensors = [x for x in call.tensors if _is_float(x)]
        are_inputs = all(
            self.state(x) == "input" or x in self._scaled for x in tensors
        )
        return bool(tensors) and are_inputs and self._first.read(call.operation)

    def read_inputs(self, call, kind):
        """Copies an operation that reads inputs before they are rounded."""
        if self._first.scale(call.operation):
            outputs = self.stay_float(call, "scales a float input")
            self._scaled[outputs] = True
            return outputs
        if kind in self.rules and kind != "unknown":
            return self.mark(self.copy(call), "input")
        return self.rules["unknown"](call, self)

    def _follows(self, call, kind):
        """Whether the operation stays float by itself."""
        return kind == "unknown" or (
            kind in FOLLOWING and self.reads(call, "float")
        )

    def nested(self, call):
        if _is_linear(call.operation):
            return self.mark(self.copy(call), self.state(call.tensors[0]))
        model = call.operation
        # A model that is called again reads what it read at first.
        state = self._unrounded.setdefault(
            model, "input" if self._is_unrounded(call) else "quantized"
        )
        reads_inputs = state == "input"
        call = call.replaced(
            lambda tensor: (
                tensor
                if reads_inputs and self.state(tensor) in ("input", "float")
                else self.quantized(tensor)
            )
        )
        outputs = self.replace(call, lambda: self.rewrite(model, state), None)
        return self.mark(outputs, "quantized")

    def state(self, tensor):
        return self._states[tensor]

    def reads(self, call, state):
        """Whether a float argument of the call is in a state."""
        floats = (x for x in call.tensors if _is_float(x))
        return any(self.state(x) == state for x in floats)

    def mark(self, outputs, state):
        """Records the state of each tensor in `outputs`; returns `outputs`."""
        for tensor in keras.tree.flatten(outputs):
            self._states[tensor] = state
        return outputs

    def quantized(self, tensor):
        """The tensor, rounded if it is not; at most one FakeQuant for each."""
        if not _is_float(tensor) or self.state(tensor) == "quantized":
            return tensor
        if tensor not in self._rounded:
            is_input = self.state(tensor) == "input"
            fixed_range = self.input_range if is_input else None
            settled = self.kept_float(tensor)
            self._rounded[tensor] = self.round(settled, fixed_range)
        return self._rounded[tensor]

    def kept_float(self, tensor):
        """The tensor; behind a `KeepFloat` if what made it stays float."""
        maker = producer(tensor)
        if self.state(tensor) != "float" or isinstance(maker, KeepFloat):
            return tensor
        name = self.unique(f"{maker.name}_keep_float")
        outputs = KeepFloat(name=name, dtype=tensor.dtype)(tensor)
        return self.mark(outputs, "float")

    def round(self, tensor, fixed_range=None):
        """The tensor behind a FakeQuant of its own."""
        name = self.unique(f"{producer(tensor).name}_fake_quant")
        layer = FakeQuant(**self.rounding, fixed_range=fixed_range, name=name)
        return self.mark(layer(tensor), "quantized")

    def finish(self, call, outputs, fused=(), fixed_range=None):
        """Rounds what an integer operation returned.

        Unless its only reader is of a kind in `fused`, computed in one step
        with it, or a FakeQuant placed by hand.
        """
        self.integer.append(call.operation.name)
        reader = self._reader(call.consumers)
        kind = None if reader is None else kind_of(reader)
        is_fused = kind in fused and not self.keeps(reader)
        if is_fused or kind == "fake_quant":
            return self.mark(outputs, "pending")
        return self.round(outputs, fixed_range)

    def _reader(self, consumers):
        """The only reader, past layers that do nothing at inference."""
        if len(consumers) != 1 or consumers[0] is None:
            return None
        (reader,) = consumers
        if kind_of(reader) != "linear" or self.keeps(reader):
            return reader
        return self._reader(self._consumers[reader])

    def stay_float(self, call, reason):
        """Copies an operation in such a way that it stays float in the file."""
        waiting = ["pending"]
        if not self._first.read(call.operation):
            waiting.append("input")

        def settled(tensor):
            waits = self.state(tensor) in waiting
            return self.quantized(tensor) if waits else tensor

        outputs = self.copy(call.replaced(settled))
        self.floats[call.operation.name] = reason
        if not any(map(_is_float, keras.tree.flatten(outputs))):
            return self.mark(outputs, "quantized")
        return self.mark(outputs, "float")

    def without_rounding(self, call):
        """Copies an operation that reads no floats, such as ids."""
        outputs = self.copy(call)
        if not any(map(_is_float, keras.tree.flatten(outputs))):
            return self.mark(outputs, "quantized")
        self.floats[call.operation.name] = self.reason(call.operation)
        return self.mark(outputs, "float")

    def reason(self, operation):
        """What has no kernel: a class, or the function of an `Activation`."""
        layer = unwrapped(operation)
        function = getattr(layer, "activation", None)
        if hasattr(function, "__name__") and not layer.variables:
            return function.__name__
        name = unknown_class(layer)
        if name:
            self.unknown.append(name)
        return name or type(layer).__name__


def _is_float(tensor):
    return "float" in tensor.dtype


def reads_floats(call):
    """Whether a float tensor is among the arguments of a call."""
    return any(map(_is_float, call.tensors))


def _is_linear(model):
    """Whether a nested model does nothing at inference, as augmentation."""
    return len(model.outputs) == 1 and all(
        len(x.outputs) == 1 if is_graph(x) else kind_of(x) == "linear"
        for x, _ in operations(model)
    )
