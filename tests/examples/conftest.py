import contextlib
import functools
import importlib
import io
import os
import pathlib
import sys
import warnings
from unittest import mock

import keras
import pytest
from absl import flags
from absl.testing import flagsaver

# A script imports what lies beside it, as Python lets it do.
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "examples"))


@pytest.fixture(scope="session")
def run_example():
    """Runs a script's `main` in this process; gives what it printed.

    A process of its own would take longer to import, and graphs longer to
    trace, than a few steps take to run.
    """
    return _run


_compile_eagerly = functools.partialmethod(
    keras.Model.compile, run_eagerly=True
)


def _run(name, folder, *arguments):
    # Modules define flags, which go again in the end.
    for module in list(sys.modules):
        if module.split(".")[0] in (name, "support"):
            del sys.modules[module]
    printed = io.StringIO()
    try:
        with (
            contextlib.chdir(folder),
            mock.patch.dict(os.environ),
            contextlib.redirect_stdout(printed),
            flagsaver.flagsaver(),
            warnings.catch_warnings(),
            mock.patch.object(keras.Model, "compile", _compile_eagerly),
        ):
            # What a library warns of does not end a script.
            warnings.simplefilter("ignore")
            script = importlib.import_module(name)
            flags.FLAGS([name, *arguments])
            script.main([])
    finally:
        flags.FLAGS.unparse_flags()
    return printed.getvalue()
