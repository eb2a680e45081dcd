"""What importing keras_eff imports, in processes of their own."""

import pathlib
import subprocess
import sys

import keras
import pytest

import keras_eff

READS = {
    "latency": "keras_eff.latency.measure",
    "inspect": "keras_eff.export.inspect",
    "execute": "keras_eff.export.execute",
    "text": "keras_eff.text.Words",
}


PACKAGE = pathlib.Path(keras_eff.__file__).parent


def registering_modules():
    """The modules with a class that a saved model may name."""
    for path in PACKAGE.rglob("*.py"):
        if "@keras.saving.register_keras_serializable" in path.read_text():
            parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
            yield ".".join(parts)


def run(*lines):
    code = "\n".join(lines)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("name", READS)
def test_what_reads_files_imports_neither_keras_nor_tensorflow(name):
    imported = run(
        f"import {READS[name].rpartition('.')[0]}",
        READS[name],
        "import sys",
        "print(*{x.split('.')[0] for x in sys.modules})",
    )
    assert "keras_eff" in imported
    assert not {"keras", "tensorflow", "jax"} & set(imported)


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "m.keras"
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    keras_eff.quantize(model).save(path)
    return path


@pytest.mark.parametrize(
    "imports",
    ["keras, keras_eff", "keras_eff, keras"],
    ids=["keras_first", "keras_eff_first"],
)
def test_a_saved_model_loads_in_either_order_of_imports(imports, saved_model):
    names = run(
        f"import sys, {imports}",
        "print(*sys.modules)",
        f"model = keras.saving.load_model({str(saved_model)!r})",
        "print(*{type(layer).__name__ for layer in model.layers})",
    )
    assert {"FakeQuant", "TransformedWeights"} <= set(names)
    unregistered = set(registering_modules()) - set(names)
    assert not unregistered, "add their part to registration._PARTS"


# What may come between the import of keras_eff and that of Keras.
BETWEEN = """
look = lambda: importlib.util.find_spec("keras")
load = lambda: importlib.import_module("keras")
finders = lambda: {type(finder).__module__ for finder in sys.meta_path}

def in_two_threads(function):
    threads = [threading.Thread(target=function) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

look()
in_two_threads(look)
sys.modules["keras.layers"] = None
try:
    load()
except ImportError:
    del sys.modules["keras.layers"]
assert "keras" not in sys.modules
assert "keras_eff.registration" in finders()
in_two_threads(load)
importlib.reload(sys.modules["keras"])
"""


def test_keras_is_waited_for_until_it_was_imported(saved_model):
    names = run(
        "import importlib.util, sys, threading",
        "import keras_eff",
        BETWEEN,
        "assert 'keras_eff.registration' not in finders()",
        "import keras",
        f"model = keras.saving.load_model({str(saved_model)!r})",
        "print(*{type(layer).__name__ for layer in model.layers})",
    )
    assert {"FakeQuant", "TransformedWeights"} <= set(names)


def test_a_program_may_forbid_keras():
    run(
        "import sys",
        "sys.modules['keras'] = None",
        "import keras_eff.export",
        "keras_eff.export.inspect",
    )


def test_names_of_the_package_are_listed_and_others_refused():
    assert "quantize" in dir(keras_eff)
    with pytest.raises(AttributeError, match="nothing"):
        _ = keras_eff.nothing
