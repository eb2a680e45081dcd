"""How channels go through each kind of operation."""

# Each of them adds its rules to the registry.
from keras_eff.channels.rules import declared
from keras_eff.channels.rules import merging
from keras_eff.channels.rules import opened
from keras_eff.channels.rules import sequences
from keras_eff.channels.rules import shapes
from keras_eff.channels.rules import weighted
from keras_eff.channels.rules.registry import RULES
from keras_eff.channels.rules.registry import rule_of

__all__ = [
    "RULES",
    "declared",
    "merging",
    "opened",
    "rule_of",
    "sequences",
    "shapes",
    "weighted",
]
