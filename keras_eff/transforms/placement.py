import keras

from keras_eff.layers import FakeQuant
from keras_eff.layers import KeepFloat
from keras_eff.transforms.graph import producer
from keras_eff.transforms.graph import rebuild
from keras_eff.transforms.kinds import kind_of
from keras_eff.transforms.rewriter import Rewriter

_PLACED = ("fake_quant", "keep_float")
# Float when what they read is; a KeepFloat behind them tells nothing.
_FOLLOWING = ("batch_norm", "linear", "relu", "same_scale", "unknown")


class Placement(Rewriter):
    """Rebuilds a model with a FakeQuant wherever an integer file rounds.

    Every tensor of the new model is in a state: "quantized" (rounded, by a
    FakeQuant or by what only moves values about), "pending" (the operation
    that reads it is computed in one step with the one that made it), "input"
    (an input of the whole model, not yet rounded) or "float" (made by a layer
    that stays float).

    Attributes:
        num_bits: Integer, width of the weights.
        rounding: Dict of arguments for each `FakeQuant`.
        integer: List of the names of operations that became integer ones.
        floats: Dict from the names of those that stay float to the reason.
    """

    def __init__(self, rules, keeps, num_bits, rounding, input_range):
        super().__init__(rules, keeps)
        self.num_bits = num_bits
        self.rounding = rounding
        self.input_range = input_range
        self.integer = []
        self.floats = {}
        self._states = {}
        self._rounded = {}

    def rewrite(self, model, state="input"):
        return rebuild(
            model,
            self.rule,
            on_input=lambda tensor: self.mark(tensor, state),
            on_output=self.quantized,
        )

    def rule(self, call):
        kind = kind_of(call.operation)
        if kind not in _PLACED and self._skips(call, kind):
            return self.stay_float(call, "skipped")
        if kind == "model":
            return self.nested(call)
        return self.rules.get(kind, self.rules["unknown"])(call, self)

    def _skips(self, call, kind):
        """Whether the caller asks for float, now or in an earlier pass."""
        kept = any(isinstance(op, KeepFloat) for op in call.consumers)
        return self.keeps(call.operation) or (kept and kind not in _FOLLOWING)

    def nested(self, call):
        model = call.operation
        call = call.replaced(self.quantized)
        outputs = self.apply(
            id(model),
            lambda: self.rewrite(model, "quantized"),
            None,
            *call.args,
            **call.kwargs,
        )
        return self.mark(outputs, "quantized")

    def state(self, tensor):
        return self._states[id(tensor)][1]

    def mark(self, outputs, state):
        """Records the state of each tensor in `outputs`; returns `outputs`."""
        for tensor in keras.tree.flatten(outputs):
            # With the tensor itself: its id must not be given to another.
            self._states[id(tensor)] = (tensor, state)
        return outputs

    def quantized(self, tensor):
        """The tensor, rounded if it is not; at most one FakeQuant for each."""
        if "float" not in tensor.dtype or self.state(tensor) == "quantized":
            return tensor
        if id(tensor) not in self._rounded:
            self._rounded[id(tensor)] = self._first_rounding(tensor)
        return self._rounded[id(tensor)]

    def _first_rounding(self, tensor):
        state = self.state(tensor)
        if state == "input":
            return self.round(tensor, self.input_range)
        if state == "float":
            name = self.unique(f"{producer(tensor).name}_keep_float")
            tensor = KeepFloat(name=name)(tensor)
        return self.round(tensor)

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
        reader = call.consumers[0] if len(call.consumers) == 1 else None
        waits = reader is not None and kind_of(reader) in {*fused, "fake_quant"}
        if waits and not self.keeps(reader):
            return self.mark(outputs, "pending")
        return self.round(outputs, fixed_range)

    def stay_float(self, call, reason):
        """Copies an operation in such a way that it stays float in the file."""
        self.floats[call.operation.name] = reason

        def settled(tensor):
            waits = self.state(tensor) in ("input", "pending")
            return self.quantized(tensor) if waits else tensor

        return self.mark(self.copy(call.replaced(settled)), "float")
