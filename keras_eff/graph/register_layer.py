import dataclasses
import inspect
import numbers
from collections.abc import Mapping

import keras

from keras_eff.graph import book


@dataclasses.dataclass(frozen=True)
class WeightAxes:
    """What the axes of a weight count, for `keras_eff.register_layer`.

    Args:
        outputs: Integer, the axis of the channels that the layer makes; or a
            tuple, of several.
        inputs: Integer, the axis of the channels of the input that the weight
            is multiplied by; or None, where it is not multiplied but added.

    Raises:
        TypeError: If an axis is not an integer.
        ValueError: If an axis is given twice, or none for the outputs.

    Example:

    >>> keras_eff.WeightAxes(inputs=0, outputs=1)
    WeightAxes(outputs=(1,), inputs=0)
    """

    outputs: int | tuple[int, ...]
    inputs: int | None = None

    def __post_init__(self):
        outputs = self.outputs
        outputs = tuple(outputs) if isinstance(outputs, list) else outputs
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        axes = outputs if self.inputs is None else (self.inputs, *outputs)
        received = f"Received: outputs={self.outputs}, inputs={self.inputs}"
        if not all(map(_is_integer, axes)):
            raise TypeError(
                "Arguments `outputs` and `inputs` must be integers, the axes "
                f"of a weight. {received}"
            )
        if not outputs or len(set(axes)) < len(axes):
            raise ValueError(
                "Arguments `outputs` and `inputs` must be different axes of a "
                f"weight, one or more of them of outputs. {received}"
            )
        object.__setattr__(self, "outputs", tuple(map(int, outputs)))


def register_layer(
    cls, like=None, *, weights=None, size=None, opens=None
) -> None:
    """Tells all techniques what a layer class of your own is.

    Of a layer that keras_eff does not know, `keras_eff.quantize` leaves the
    computation float, `keras_eff.remove_channels` every channel, and
    `keras_eff.factorize` every weight; their reports name it. A subclass that
    keeps the `call` of a class that is known needs no telling. Others are

    - `like` another: computed as that class computes, with the same
      attributes, weights and arguments, however the code is written;
    - of `weights` of their own, whose axes are told. The layer is rounded on
      both sides and computes with integer weights, one scale for each
      output; the weights that inputs are multiplied by are pruned, and
      channels are removed along the axes;
    - composed: a function `opens` them into other layers, which are then
      treated one by one, in the layer's place.

    A class that is registered twice is what it was registered as last; models
    that were made before are looked up too. Registration is not saved with a
    model: register in each process that quantizes, prunes or exports. Layers
    are copied, by `get_config` and `from_config`.

    Args:
        cls: Subclass of `keras.layers.Layer`. Its subclasses are registered
            too, but for those with a `call` of their own.
        like: Layer class that is known: one of Keras's or keras_eff's, or one
            that has been registered.
        weights: Dict from names of attributes that hold weights to
            `keras_eff.WeightAxes`, with `inputs` for one of them or more. The
            layer must have no activation that mixes channels.
        size: String, the argument of the constructor, and attribute, that
            counts the channels that a layer of `weights` makes. Without one,
            it keeps them all.
        opens: Function `(layer, *args, **kwargs)` of what the layer is called
            with to what it returns, made of Keras layers and `keras.ops`
            alone: often the `call` of the class. All weights must belong to
            layers that it calls.

    Raises:
        TypeError: If `cls` or `like` is not a layer class, `weights` not such
            a dict, `size` not a string or `opens` not a function.
        ValueError: If not exactly one of `like`, `weights` and `opens` is
            given, or `size` without `weights`; if nothing is known of `like`;
            or no weight has `inputs`.

    Example:

    >>> class Mixing(keras.layers.Layer):
    ...     def __init__(self, units, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self.units = units
    ...
    ...     def build(self, shape):
    ...         self.matrix = self.add_weight(shape=(shape[-1], self.units))
    ...         self.offset = self.add_weight(shape=(self.units,))
    ...
    ...     def call(self, inputs):
    ...         return keras.ops.matmul(inputs, self.matrix) + self.offset
    ...
    ...     def get_config(self):
    ...         return {**super().get_config(), "units": self.units}
    >>> keras_eff.register_layer(
    ...     Mixing,
    ...     weights={
    ...         "matrix": keras_eff.WeightAxes(inputs=0, outputs=1),
    ...         "offset": keras_eff.WeightAxes(outputs=0),
    ...     },
    ...     size="units",
    ... )
    >>> layer = Mixing(4, name="mixing")
    >>> model = keras.Sequential([keras.Input((8,)), layer])
    >>> print(keras_eff.coverage(model))
    1 of 1 operations in integers, 1.000 of the weights, 1.000 of the MACs

    A block of layers, by its `call`:

    >>> class Block(keras.layers.Layer):
    ...     def __init__(self, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self.wide = keras.layers.Dense(16, activation="relu")
    ...         self.thin = keras.layers.Dense(8)
    ...
    ...     def call(self, inputs):
    ...         return inputs + self.thin(self.wide(inputs))
    >>> keras_eff.register_layer(Block, opens=Block.call)
    >>> model = keras.Sequential([keras.Input((8,)), Block()])
    >>> print(keras_eff.coverage(model))
    3 of 3 operations in integers, 1.000 of the weights, 1.000 of the MACs
    """
    _check_class("cls", cls)
    _check_choice(like, weights, size, opens)
    if like is not None:
        entry = _entry_like(like)
    elif weights is not None:
        entry = _declared(weights, size)
    else:
        entry = _composed(opens)
    book.enter_layer(cls, entry)


def how_to_register(classes) -> str:
    """For the end of a report, a sentence about layers that are not known."""
    names = ", ".join(sorted(set(classes)))
    return f". `keras_eff.register_layer` makes known: {names}" if names else ""


def _entry_like(like):
    _check_class("like", like)
    entry = book.entry_of_class(like)
    if entry is book.UNKNOWN:
        raise ValueError(
            "Argument `like` must be a layer class that keras_eff knows. "
            f"Received: like={_full_name(like)}, of which nothing is known"
        )
    return entry


def _declared(weights, size):
    is_table = isinstance(weights, Mapping) and all(
        isinstance(name, str) and isinstance(axes, WeightAxes)
        for name, axes in weights.items()
    )
    if not is_table:
        raise TypeError(
            "Argument `weights` must be a dict from names of attributes to "
            f"`keras_eff.WeightAxes`. Received: weights={weights!r}"
        )
    if all(axes.inputs is None for axes in weights.values()):
        raise ValueError(
            "Argument `weights` must hold a weight that inputs are multiplied "
            f"by: give its axis of `inputs`. Received: weights={weights!r}"
        )
    entries = (
        book.WeightEntry(name, axes.outputs, axes.inputs)
        for name, axes in weights.items()
    )
    return book.Entry(
        kind="declared",
        channels="declared",
        weights=tuple(entries),
        fuses=False,
        size=size,
    )


def _composed(opens):
    if not callable(opens) or inspect.isclass(opens):
        raise TypeError(
            "Argument `opens` must be a function of a layer and of what it is "
            f"called with. Received: opens={opens!r}"
        )
    return book.Entry(kind="composed", channels="opened", opens=opens)


def _check_class(name, value):
    is_class = inspect.isclass(value)
    if not is_class or not issubclass(value, keras.layers.Layer):
        received = _full_name(value if is_class else type(value))
        kind = "class" if is_class else "object of class"
        raise TypeError(
            f"Argument `{name}` must be a subclass of `keras.layers.Layer`. "
            f"Received: {name}, {kind} {received}"
        )


def _check_choice(like, weights, size, opens):
    choices = {"like": like, "weights": weights, "opens": opens}
    given = [name for name, value in choices.items() if value is not None]
    if len(given) != 1:
        raise ValueError(
            "Give exactly one of `like`, `weights` and `opens`. "
            f"Received: {given or 'none of them'}"
        )
    if size is not None and weights is None:
        raise ValueError(
            "Argument `size` goes with `weights` only. "
            f"Received: size={size!r} with `{given[0]}`"
        )
    if not isinstance(size, str | None):
        raise TypeError(
            "Argument `size` must be the name of an argument. "
            f"Received: size={size!r}"
        )


def _full_name(kind):
    return f"{kind.__module__}.{kind.__name__}"


def _is_integer(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
