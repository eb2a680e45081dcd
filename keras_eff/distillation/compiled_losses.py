"""The losses that a student is compiled with, for each of its outputs."""

import dataclasses
import functools
from typing import Any

import keras

# What the outputs are that a loss of Keras compares with its labels: scores
# of "classes" of which one is right, of "labels" that are each on or off, or
# "values" of their own.
_KINDS = {
    "classes": (
        "CategoricalCrossentropy categorical_crossentropy "
        "SparseCategoricalCrossentropy sparse_categorical_crossentropy "
        "CategoricalFocalCrossentropy categorical_focal_crossentropy "
        "CategoricalGeneralizedCrossEntropy "
        "categorical_generalized_cross_entropy "
        "CategoricalHinge categorical_hinge KLDivergence kl_divergence CTC ctc"
    ),
    "labels": (
        "BinaryCrossentropy binary_crossentropy BinaryFocalCrossentropy "
        "binary_focal_crossentropy Dice dice Tversky tversky"
    ),
    "values": (
        "MeanSquaredError mean_squared_error MeanAbsoluteError "
        "mean_absolute_error MeanAbsolutePercentageError "
        "mean_absolute_percentage_error MeanSquaredLogarithmicError "
        "mean_squared_logarithmic_error Huber huber LogCosh log_cosh Poisson "
        "poisson CosineSimilarity cosine_similarity Hinge hinge SquaredHinge "
        "squared_hinge"
    ),
}
_KNOWN = {
    getattr(keras.losses, name): kind
    for kind, names in _KINDS.items()
    for name in names.split()
}
# They compare with a class to be on one side of, not with a value to be near.
_MARGINS = ("Hinge", "hinge", "SquaredHinge", "squared_hinge")
_SCORES = ("CategoricalHinge", "categorical_hinge", "CTC", "ctc")


@dataclasses.dataclass(frozen=True)
class CompiledLoss:
    """A loss of an output, and its weight among those of the student."""

    given: Any = None
    weight: float = 1.0

    def kind(self, output) -> str | None:
        """ "classes", "labels" or "values"; None for what is not of Keras."""
        known = self._known(output)
        return None if known is None else _KNOWN[known]

    def from_logits(self, output) -> bool | None:
        """Whether it takes outputs for logits; None if it does not say."""
        found = self._resolved(output)
        if isinstance(found, functools.partial):
            if "from_logits" in found.keywords:
                return found.keywords["from_logits"]
        elif hasattr(found, "from_logits"):
            return bool(found.from_logits)
        known = self._known(output)
        if self.kind(output) in (None, "values") or _is_among(known, _SCORES):
            return None
        return False

    def axis(self, output):
        """The axis of the classes."""
        return getattr(self._resolved(output), "axis", None)

    def distance(self, output):
        """How far values are from one another: by this loss, if it can."""
        if _is_among(self._known(output), _MARGINS):
            return keras.losses.mean_squared_error
        return self._resolved(output)

    def _resolved(self, output):
        if str(self.given).lower() in ("crossentropy", "ce"):
            is_binary = output.shape[-1] == 1
            name = "binary" if is_binary else "categorical"
            return keras.losses.get(f"{name}_crossentropy")
        return keras.losses.get(self.given)

    def _known(self, output):
        """The function or class of Keras that it is or derives from."""
        found = self._resolved(output)
        while isinstance(found, functools.partial):
            found = found.func
        candidates = [*type(found).__mro__, getattr(found, "fn", None), found]
        return next((c for c in candidates if _is_known(c)), None)


def losses_of_outputs(student, outputs) -> list[list[CompiledLoss]]:
    """The losses of each output, as `compile` of Keras places them.

    Returns: A list for each output, in their order: empty for one without a
    loss. Where the student has no compiled loss at all, each output has one
    that was given nothing.
    """
    flat = keras.tree.flatten(outputs)
    found = [[] for _ in flat]
    # Private to Keras, as are its parts below; tests/callbacks pins them.
    compiled = student._compile_loss
    if compiled is not None:
        losses = _weighted(compiled._user_loss, compiled._user_loss_weights)
        places = keras.tree.pack_sequence_as(outputs, list(range(len(flat))))
        if isinstance(losses, dict) and not isinstance(outputs, dict):
            names = compiled.output_names or ()
            places = dict(zip(names, range(len(flat)), strict=False))
        _place(losses, places, found)
    return found if any(found) else [[CompiledLoss()] for _ in flat]


def _weighted(losses, weights):
    if weights is None:
        return keras.tree.map_structure(CompiledLoss, losses)
    weights = keras.tree.pack_sequence_as(losses, keras.tree.flatten(weights))
    return keras.tree.map_structure(
        lambda loss, w: CompiledLoss(loss, 1.0 if w is None else float(w)),
        losses,
        weights,
    )


def _place(losses, places, found):
    indices = keras.tree.flatten(places)
    if isinstance(losses, CompiledLoss):
        if losses.given is not None:
            for index in indices:
                found[index].append(losses)
    elif isinstance(losses, dict):
        for name, loss in losses.items():
            if name in places:
                _place(loss, places[name], found)
    elif _is_flat(losses) and len(losses) == len(indices):
        for loss, index in zip(losses, indices, strict=True):
            _place(loss, index, found)
    else:
        is_list = isinstance(places, (list, tuple))
        for i, loss in enumerate(losses):
            _place(loss, places[i] if is_list else places, found)


def _is_flat(losses):
    return all(isinstance(loss, CompiledLoss) for loss in losses)


def _is_known(candidate):
    try:
        return candidate in _KNOWN
    except TypeError:  # What has no hash is not of Keras.
        return False


def _is_among(known, names):
    return any(known is getattr(keras.losses, name) for name in names)
