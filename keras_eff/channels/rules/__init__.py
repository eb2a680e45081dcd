"""How channels go through each kind of operation."""

# Each of them adds its rules to the registry.
from keras_eff.channels.rules import declared
from keras_eff.channels.rules import merging
from keras_eff.channels.rules import opened
from keras_eff.channels.rules import sequences
from keras_eff.channels.rules import shapes
from keras_eff.channels.rules import weighted

__all__ = ["declared", "merging", "opened", "sequences", "shapes", "weighted"]
