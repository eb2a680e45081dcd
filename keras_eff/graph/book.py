"""The book of layers: all that the techniques need to know of each.

It has one entry for a layer class, a bare operation or an activation function.
What Keras and keras_eff bring is entered in layer_entries.py and
operation_entries.py; what a user brings, by `register_layer`. An entry holds
facts, and names of rules: a rule itself lies with its technique.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from keras_eff.graph.walk import is_graph
from keras_eff.layers import TransformedWeights


@dataclasses.dataclass(frozen=True)
class WeightEntry:
    """A weight of a layer.

    Attributes:
        name: Its attribute; see `keras_eff.layers.WeightTransform`.
        outputs: The axes that count the channels that it makes.
        inputs: The axis that counts the channels that it reads, the last of
            several; None if inputs are not multiplied by it.
        scales: The axes with a scale each in an integer kernel; those of
            `outputs` by default.
    """

    name: str
    outputs: tuple[int, ...] = (-1,)
    inputs: int | None = -2
    scales: tuple[int, ...] | None = None

    def __post_init__(self):
        if self.scales is None:
            object.__setattr__(self, "scales", self.outputs)


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is known of a class of layers or operations, or of a function.

    Attributes:
        kind: Names the rules by which it is taken apart, quantized and
            lowered, or a function from the operation to that name; what is
            "unknown" stays float.
        channels: Names the rule by which channels go through it; what is
            "frozen" keeps them all.
        weights: The weights of which the axes are known, or a function from
            the layer to them. An integer kernel has the first.
        fits: Predicate on an operation: whether `kind` holds for it.
        opens: Function of the layer and the arguments of a call, which calls
            other layers and operations in its place; the layer's `call` for
            others of the kind "composed".
        bounds: The smallest and the largest value that a "clip" or "relu"
            returns, or a function from the operation to them.
        affine: Function from a built layer to the scale that it multiplies by
            and the offset that it adds, as arrays.
        combine: Function from the values of several tensors, arrays, to those
            of what the operation makes of them, element by element.
        fuses: Whether its kernel computes along what follows, such as a
            batch normalization.
        fuses_activation: Whether it does so with an activation of its own.
        factorizes: Whether its kernel is a product of inputs and outputs, that
            two layers in a row can stand for.
        num_kernels: How many kernels a layer with weights applies in a row.
        num_gates: How many matrices lie side by side in a recurrent kernel.
        size: Argument of the constructor that counts the channels it makes.
    """

    kind: str | Callable[[Any], str] = "unknown"
    channels: str = "frozen"
    weights: tuple[WeightEntry, ...] | Callable = ()
    fits: Callable[[Any], bool] | None = None
    opens: Callable | None = None
    bounds: tuple[float, float] | Callable | None = None
    affine: Callable | None = None
    combine: Callable | None = None
    fuses: bool = True
    fuses_activation: bool = True
    factorizes: bool = False
    num_kernels: int = 1
    num_gates: int = 1
    size: str | None = None


UNKNOWN = Entry()

# By class; by name for what Keras has no public class of.
_layers: dict[type | str, Entry] = {}
_operations: dict[str, Entry] = {}
_functions: dict[str, Entry] = {}

# Kinds that move values about, which keep their scale.
SAME_SCALE = ("reshape", "same_scale", "split", "upsampling")

# Kinds of which inputs and output share one scale.
TIED = ("concatenate", "tied")

# Kinds of which the output is the place of an element.
INDEX = ("argmax", "argmin")

# Kinds that stay float behind an operation that does.
FOLLOWING = ("batch_norm", "clip", "linear", "relu", *SAME_SCALE)

# Kinds of layers with a weight in an integer kernel: those whose weights a
# user has declared fuse with nothing.
WEIGHTED = ("declared", "weighted")

# Kinds whose rules see to the transforms of a weight.
_OF_WEIGHTS = ("attention", "separable", *WEIGHTED)

# They have two axes in attention, in a GRU, or over several axes.
_NO_KERNELS = ("alpha", "beta", "bias", "gamma", "rnn_state")

# The modules whose functions are what their names say.
_OF_FUNCTIONS = ("keras.", "tensorflow.", "jax.")


def enter_layer(kind: type | str, entry: Entry) -> None:
    """Adds, or replaces, the entry of a layer class.

    By its name where Keras has the class to itself.
    """
    _layers[kind] = entry


def enter_operations(names: str, entry: Entry) -> None:
    """Adds the entry of bare operations of Keras, by the names of classes."""
    _operations.update(dict.fromkeys(names.split(), entry))


def enter_functions(names: str, entry: Entry) -> None:
    """Adds the entry of activation functions, by their names."""
    _functions.update(dict.fromkeys(names.split(), entry))


def entry_of(operation) -> Entry:
    """The entry of a layer, a bare operation or an activation function.

    A chain of weight transforms has that of its layer. A layer has that of
    the nearest class whose `call` it has; `UNKNOWN` is that of all others.
    """
    operation = unwrapped(operation)
    if isinstance(operation, keras.layers.Layer):
        return entry_of_class(type(operation))
    if isinstance(operation, keras.Operation):
        kind = type(operation)
        is_known = kind.__module__.startswith("keras.")
        return _operations.get(kind.__name__ if is_known else "", UNKNOWN)
    module = getattr(operation, "__module__", None) or ""
    name = getattr(operation, "__name__", "")
    return _functions.get(
        name if module.startswith(_OF_FUNCTIONS) else "", UNKNOWN
    )


def kind_of(operation) -> str:
    """The kind of its entry, where that holds for this very operation.

    "model" for a nested model whose graph can be walked.
    """
    if is_graph(operation):
        return "model"
    entry, layer = entry_of(operation), unwrapped(operation)
    if is_changed(layer) or not (entry.fits is None or entry.fits(layer)):
        return "unknown"
    if getattr(layer, "data_format", None) == "channels_first":
        return "unknown"
    kind = entry.kind(layer) if callable(entry.kind) else entry.kind
    if layer is operation or kind in WEIGHTED:
        return kind
    # Those that are taken apart carry the steps of kernels alone.
    is_carried = all(
        step.weight_name.endswith("kernel") for step in operation.transforms
    )
    return kind if kind in _OF_WEIGHTS and is_carried else "unknown"


def activation_kind(function) -> str:
    """The kind of a function; "unknown" of a layer in its place."""
    is_layer = isinstance(function, keras.layers.Layer)
    return "unknown" if is_layer else kind_of(function)


def bounds_of(operation) -> tuple[float, float]:
    """The smallest and the largest value that a "clip" or "relu" returns."""
    bounds = entry_of(operation).bounds
    return bounds(operation) if callable(bounds) else bounds


def weights_of(layer) -> tuple[WeightEntry, ...]:
    """The weights of which the axes are known, by the nearest class entered.

    A class that computes otherwise than its parent has the same weights.
    """
    layer = unwrapped(layer)
    found = (_layers.get(_key(kind)) for kind in type(layer).__mro__)
    entry = next((entry for entry in found if entry), UNKNOWN)
    if callable(entry.weights):
        return entry.weights(layer)
    return entry.weights


def kernels_of(layer) -> tuple[WeightEntry, ...]:
    """Those of its weights that inputs are multiplied by."""
    return tuple(w for w in weights_of(layer) if w.inputs is not None)


def weight_of(layer) -> WeightEntry:
    """The weight of which an integer kernel has one."""
    return kernels_of(layer)[0]


def is_kernel(variable) -> bool:
    """Whether a variable is large: no bias, and no scale or state."""
    is_float = "float" in keras.backend.standardize_dtype(variable.dtype)
    is_large = len(variable.shape) > 1
    return is_float and is_large and variable.name not in _NO_KERNELS


def is_dense(layer) -> bool:
    """Whether it multiplies the last axis by a matrix, whatever the others."""
    return entry_of(layer).channels == "dense"


def is_changed(layer) -> bool:
    """Whether Keras has made integers of its weights, or split them (LoRA).

    They are not the float weights then that the layer trains.
    """
    mode = getattr(layer, "quantization_mode", None)
    return mode is not None or bool(getattr(layer, "lora_enabled", False))


def unwrapped(operation):
    """The layer inside a `TransformedWeights`; any other operation itself."""
    if isinstance(operation, TransformedWeights):
        return operation.layer
    return operation


def entry_of_class(kind: type) -> Entry:
    """The entry of a layer class: see `entry_of`."""
    for base in kind.__mro__:
        entry = _layers.get(_key(base))
        if entry is not None or "call" in vars(base):
            return entry or UNKNOWN
    return UNKNOWN


def unknown_class(operation) -> str | None:
    """Module and name of a user's layer class without an entry, or None."""
    kind = type(unwrapped(operation))
    is_ours = kind.__module__.partition(".")[0] in ("keras", "keras_eff")
    is_layer = issubclass(kind, keras.layers.Layer)
    if is_ours or not is_layer or entry_of_class(kind) is not UNKNOWN:
        return None
    return f"{kind.__module__}.{kind.__name__}"


def _key(kind):
    is_of_keras = kind.__module__.startswith("keras.")
    return kind.__name__ if is_of_keras and kind.__name__ in _layers else kind
