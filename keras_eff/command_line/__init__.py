"""The command line: `keras-eff convert`, `keras-eff measure`, ..."""

from keras_eff.command_line.main import main

__all__ = ["main"]
