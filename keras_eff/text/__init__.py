"""Turns text into what a model takes: outside of it, alike on every device."""

from keras_eff.text.code_points import Characters
from keras_eff.text.code_points import Words
from keras_eff.text.dataset import in_dataset

__all__ = ["Characters", "Words", "in_dataset"]
