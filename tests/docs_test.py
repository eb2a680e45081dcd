"""The examples of the docstrings and of README.md run as written."""

import doctest
import importlib
import pathlib
import pkgutil
import re

import keras
import numpy as np
import pytest

import keras_eff

README = pathlib.Path(__file__).parents[1] / "README.md"
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules():
    names = pkgutil.walk_packages(keras_eff.__path__, "keras_eff.")
    return [keras_eff, *(importlib.import_module(name.name) for name in names)]


def public_objects():
    """What users may import: the callables that each package names."""
    named = {
        f"{module.__name__}.{name}": getattr(module, name)
        for module in modules()
        if hasattr(module, "__path__")
        for name in getattr(module, "__all__", ())
    }
    return {name: value for name, value in named.items() if callable(value)}


def docstring_examples():
    finder = doctest.DocTestFinder()
    names = {"keras": keras, "np": np, "keras_eff": keras_eff}
    found = [test for m in modules() for test in finder.find(m, globs=names)]
    return [test for test in found if test.examples]


@pytest.mark.parametrize(
    "example", docstring_examples(), ids=lambda example: example.name
)
def test_docstring_example_runs(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = []
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    runner.run(example, out=report.append)
    assert not runner.failures, "".join(report)


def test_each_public_object_has_a_docstring():
    objects = public_objects()
    assert objects
    assert not [name for name, value in objects.items() if not value.__doc__]


def test_readme_examples_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = PYTHON_BLOCK.findall(README.read_text())
    assert blocks
    namespace = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), namespace)
