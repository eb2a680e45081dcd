"""Makes our classes known to Keras, so that saved models load."""

import importlib
import importlib.abc
import importlib.util
import sys

# The parts with classes that a saved model may name.
_PARTS = ("layers", "schedules", "distillation")


def register_with_keras():
    """Imports the classes that Keras loads by name: now, or along with Keras.

    Keras finds a class that is registered, and imports nothing to find one.
    Importing Keras takes seconds, which a program that only reads files should
    not spend.
    """
    if "keras" in sys.modules:
        _import_parts()
    else:
        sys.meta_path.insert(0, _ImportOfKeras())


class _ImportOfKeras(importlib.abc.MetaPathFinder):
    """Waits on `sys.meta_path` for the import of Keras, once."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None:
            _import_parts_after(spec.loader)
        return spec


def _import_parts_after(loader):
    execute = loader.exec_module

    def execute_and_register(module):
        execute(module)
        _import_parts()

    loader.exec_module = execute_and_register


def _import_parts():
    for part in _PARTS:
        importlib.import_module(f"keras_eff.{part}")
