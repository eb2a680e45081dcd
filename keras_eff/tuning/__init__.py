"""Searches with keras-tuner for models that are fast where they run."""

import lazy_loader

# Measured figures and fronts are read without Keras or TensorFlow, which take
# seconds to import: names are imported when they are first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
