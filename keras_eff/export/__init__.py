"""Turns models into files, and reads, runs and checks files."""

import lazy_loader

# What reads files needs neither Keras nor TensorFlow, which take seconds to
# import: names are imported when they are first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
