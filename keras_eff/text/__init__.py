"""Turns text into what a model takes: outside of it, alike on every device."""

import lazy_loader

# `in_dataset` alone needs TensorFlow: devices do without.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
