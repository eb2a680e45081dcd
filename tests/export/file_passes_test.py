import collections

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from keras import layers

from keras_eff.export.file_passes import FileOptions
from keras_eff.export.file_passes import model_file
from keras_eff.export.formats import FORMATS
from keras_eff.export.preparation import prepare
from keras_eff.tflite.grid import known_grids
from keras_eff.tflite.inspection import describe
from keras_eff.tflite.inspection import inspect

SAMPLES = [np.linspace(-1, 1, 1600, dtype="float32").reshape(100, 16)]


@pytest.fixture
def counts(monkeypatch):
    """How many files were parsed, and how many packed."""
    counts = collections.Counter()
    unpack, pack = schema.ModelT.InitFromObj, schema.ModelT.Pack

    def counted_unpack(packed):
        counts["parsed"] += 1
        return unpack(packed)

    def counted_pack(model, builder):
        counts["packed"] += 1
        return pack(model, builder)

    monkeypatch.setattr(schema.ModelT, "InitFromObj", counted_unpack)
    monkeypatch.setattr(schema.ModelT, "Pack", counted_pack)
    return counts


@pytest.fixture
def file_as(tmp_path):
    """The file of a model in a format."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((16,)), layers.Dense(32), layers.Dense(4)]
    )

    def make(name, **arguments):
        prepared = prepare(model, name, SAMPLES, "minmax")
        names = ["vector"], ["classes"]
        chosen, grids = FORMATS[name], known_grids(prepared)
        options = FileOptions(
            chosen, chosen.io_dtypes[0], names, grids, **arguments
        )
        return model_file(prepared, options, SAMPLES)

    return make


@pytest.mark.parametrize("name", ["float16", "dynamic", "int4"])
def test_a_file_is_parsed_once_and_packed_once(name, file_as, counts, tmp_path):
    file = file_as(name)
    described = describe(file)
    assert counts == {"parsed": 1, "packed": 1}
    path = tmp_path / "m.tflite"
    path.write_bytes(file.data)
    assert described == inspect(path)


def test_names_that_are_kept_are_those_of_the_converter(file_as):
    bare, named = (file_as("int8", keep_names=x) for x in (False, True))
    for file in (bare, named):
        assert describe(file).inputs[0].name == "vector"
        assert describe(file).outputs[0].name == "classes"
    assert len([x for x in describe(bare).tensors if x.name]) == 2
    assert all(x.name for x in describe(named).tensors)
    assert named.model.description and not bare.model.description
