"""Runs the command line: `python -m keras_eff` is `keras-eff`."""

import sys

from keras_eff.command_line import main

if __name__ == "__main__":
    sys.exit(main())
