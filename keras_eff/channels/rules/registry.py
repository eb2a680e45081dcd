"""The rules by which channels go through operations, by their names."""

import functools
from collections.abc import Callable

from keras_eff.graph import book

RULES: dict[str, Callable] = {}


def rule(function: Callable) -> Callable:
    """Makes a function the rule that entries of the book name `channels`.

    It takes a `ChannelCall`, and returns the `TensorChannels` of each output,
    or None where there are none.
    """
    RULES[function.__name__] = function
    return function


def rule_of_one(function: Callable) -> Callable:
    """The same for one input and output: called where there are channels."""

    @functools.wraps(function)
    def of_call(call):
        channels = call.channels[0]
        if channels is None:
            return [None] * len(call.outputs)
        return [function(call, channels)]

    return rule(of_call)


def rule_of(operation) -> Callable:
    """The rule for an operation; of what is not known, nothing goes."""
    entry = (
        book.UNKNOWN if book.is_changed(operation) else book.entry_of(operation)
    )
    return RULES[entry.channels]


@rule
def frozen(call):
    """Of what cannot be reasoned about, nothing goes."""
    if book.unknown_class(call.operation):
        reason = "is not known: see `keras_eff.register_layer`"
    else:
        reason = "mixes or orders them in its own way"
    return whole(call, f"{call.name} {reason}")


def whole(call, reason: str) -> list:
    """Keeps what an operation reads, and all of its weights."""
    call.freeze_inputs(reason)
    call.dependencies.reason = reason
    return [None] * len(call.outputs)
