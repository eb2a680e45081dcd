"""Makes our classes known to Keras, so that saved models load."""

import contextlib
import importlib
import importlib.abc
import sys

# The parts with classes that a saved model may name.
_PARTS = ("layers", "schedules", "distillation")


def register_with_keras():
    """Imports the classes that Keras loads by name: now, or along with Keras.

    Keras finds a class that is registered, and imports nothing to find one.
    Importing Keras takes seconds, which a program that only reads files should
    not spend.
    """
    # None is how a program forbids an import.
    if sys.modules.get("keras") is not None:
        _import_parts()
    else:
        sys.meta_path.insert(0, _ImportOfKeras())


class _ImportOfKeras(importlib.abc.MetaPathFinder):
    """Waits on `sys.meta_path` until Keras was imported.

    It stays where Keras is only looked for, or where its import fails.
    """

    def find_spec(self, fullname, path=None, target=None):
        if fullname != "keras":
            return None
        spec = self._found_by_others(fullname, path, target)
        if spec is not None and spec.loader is not None:
            self._register_after(spec.loader)
        return spec

    def _found_by_others(self, *what):
        for finder in list(sys.meta_path):
            # Another one, of a module that was reloaded, would ask this one.
            if type(finder).__name__ == type(self).__name__:
                continue
            spec = finder.find_spec(*what)
            if spec is not None:
                return spec
        return None

    def _register_after(self, loader):
        execute = loader.exec_module

        def execute_and_register(module):
            execute(module)
            # A loader may serve several modules.
            if module.__name__ == "keras":
                _import_parts()
                # Of two threads, one comes first.
                with contextlib.suppress(ValueError):
                    sys.meta_path.remove(self)

        loader.exec_module = execute_and_register


def _import_parts():
    for part in _PARTS:
        importlib.import_module(f"keras_eff.{part}")
