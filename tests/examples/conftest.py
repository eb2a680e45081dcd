import contextlib
import importlib
import io
import os
import pathlib
import sys
from unittest import mock

import pytest
from absl import flags
from absl.testing import flagsaver

# A script imports what lies beside it, as Python lets it do.
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "examples"))


@pytest.fixture(scope="session")
def run_example():
    """Runs a script's `main` in this process; gives what it printed.

    A process of its own would take longer to import than to run.
    """
    return _run


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
        ):
            script = importlib.import_module(name)
            flags.FLAGS([name, *arguments])
            script.main([])
    finally:
        flags.FLAGS.unparse_flags()
    return printed.getvalue()
