"""What `PruningScheduler` can be asked for."""

import numbers

import keras

from keras_eff.pruning.mask_update import SCOPES
from keras_eff.pruning.saliency import CRITERIA
from keras_eff.pruning.saliency import NEEDS_DATA
from keras_eff.pruning.saliency import SALIENCIES


def check_choices(saliency, scope, regrow) -> None:
    """Raises a ValueError unless each is one of its choices."""
    if not callable(saliency):
        _check_choice("saliency", saliency, SALIENCIES)
    _check_choice("scope", scope, SCOPES)
    _check_choice("regrow", regrow, (None, *CRITERIA))


def check_fraction(regrow_fraction) -> None:
    """Raises a ValueError unless it is one, or a function of the step."""
    is_number = isinstance(regrow_fraction, numbers.Real)
    is_fraction = is_number and 0 < regrow_fraction < 1
    if not is_fraction and not callable(regrow_fraction):
        raise ValueError(
            "Argument `regrow_fraction` must be a float in (0, 1) or a "
            "function of the step. "
            f"Received: regrow_fraction={regrow_fraction!r}"
        )


def check_data(data, saliency, regrow) -> None:
    """Raises a ValueError unless there are the arrays that gradients need."""
    if {saliency, regrow} & NEEDS_DATA and not isinstance(data, tuple):
        raise ValueError(
            "Gradients need argument `data`, a tuple of arrays (x, y). "
            f"Received: data of {type(data)} with saliency={saliency!r}, "
            f"regrow={regrow!r}"
        )
    lengths = {len(x) for x in keras.tree.flatten(data) if x is not None}
    if len(lengths) > 1:
        raise ValueError(
            "Argument `data` must hold arrays of one length. "
            f"Received: lengths {sorted(lengths)}"
        )


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(
            f"Argument `{name}` must be one of {list(choices)}. "
            f"Received: {name}={value!r}"
        )
