import keras

from keras_eff.graph.cloning import clone
from keras_eff.graph.rewriter import Rewriter
from keras_eff.graph.selection import operations
from keras_eff.graph.walk import check_graph
from keras_eff.graph.walk import is_graph
from keras_eff.layers import PruningMask
from keras_eff.layers import TransformedWeights
from keras_eff.layers.cloning import copy_state
from keras_eff.layers.cloning import layers_of


def strip(model) -> keras.Model:
    """Returns a clone of a pruned model in plain layers of Keras.

    The way back from `keras_eff.prune` and from layers such as
    `keras_eff.layers.PrunableDense`: each is the layer of Keras inside it, and
    what its mask hides is zero in the weight itself. The clone computes the
    same function, its file loads without `keras_eff`, and its weights load
    into the model that was pruned: layers have the names, and weights the
    order, that they had there. Where that nests a `keras.Sequential`, which a
    clone nests as a Functional model, use `set_weights` and not a file.

    The masks are gone: a clone that trains on gives its zeros up. Layers
    without masks are copied as they are.

    Args:
        model: Built `keras.Sequential` or Functional model, nested or with
            shared layers. It is left as it was.

    Returns:
        A Functional `keras.Model`, not compiled.

    Raises:
        TypeError: If `model` is not a Keras 3 model.
        ValueError: If `model` is a subclassed model or is not built, a layer
            has weight transforms beside a mask, such as the fake-quant of
            `keras_eff.quantize`, or masks are inside a layer of another class.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(2)]
    ... )
    >>> stripped = keras_eff.strip(keras_eff.prune(model, 0.75))
    >>> [type(layer).__name__ for layer in stripped.layers]
    ['InputLayer', 'Dense', 'Dense']
    >>> model.set_weights(stripped.get_weights())
    >>> keras_eff.sparsity(model).weights[0].sparsity
    0.75
    """
    check_graph(model, "keras_eff.strip")
    for operation, _ in operations(model):
        if isinstance(operation, keras.layers.Layer):
            _check(operation)
    return _Stripper({}).rewrite(model)


class _Stripper(Rewriter):
    """Puts the layer inside in the place of each that has masks."""

    def rule(self, call):
        layer = call.operation
        if not isinstance(layer, TransformedWeights):
            return super().rule(call)
        self.begin(call)
        return self.replace(
            call, lambda: clone(layer.layer, name=layer.name), _store
        )


def _store(layer, plain):
    """Gives the plain layer the weights that the masked one computes with."""
    copy_state(layer.layer, plain)
    seen = layer.transformed_variables()
    for variable, value in zip(plain.variables, seen, strict=True):
        variable.assign(value)


def _check(layer):
    if is_graph(layer):
        return
    if not isinstance(layer, TransformedWeights):
        if layers_of(layer, TransformedWeights):
            raise ValueError(
                "`keras_eff.strip` cannot reach masks inside a layer of "
                "another class. "
                f"Received: layer {layer.name!r} of {_kind(layer)}"
            )
        return
    others = [s for s in layer.transforms if not isinstance(s, PruningMask)]
    if others:
        raise ValueError(
            "`keras_eff.strip` takes layers whose weights are masked only: "
            "the values that other transforms compute are no weights to train "
            "on. Strip the model before it gets them. "
            f"Received: layer {layer.name!r} with {_kind(others[0])}"
        )


def _kind(layer):
    return f"{type(layer).__module__}.{type(layer).__name__}"
