import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_eff.tflite.flatbuffer import operator_name
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.operator_versions import operator_code
from keras_eff.tflite.operator_versions import raise_version
from keras_eff.tflite.operator_versions import require_runtime

ENTRY = b"min_runtime_version"


@pytest.fixture
def model(converted):
    return parse(converted("conv_int8").data)


def convolutions(model):
    return [
        operator
        for operator in model.subgraphs[0].operators
        if operator_name(model, operator) == "CONV_2D"
    ]


def version(model, operator):
    return model.operatorCodes[operator.opcodeIndex].version


def runtime(model):
    (entry,) = (x for x in model.metadata if x.name == ENTRY)
    stored = bytes(model.buffers[entry.buffer].data)
    assert len(stored) == 16
    return stored.rstrip(b"\0").decode()


def test_one_operator_of_several_gets_the_version(model):
    first, second = convolutions(model)
    raise_version(model, first, 7)
    assert (version(model, first), version(model, second)) == (7, 3)
    assert operator_name(model, first) == "CONV_2D"


def test_a_higher_version_stays(model):
    first, _ = convolutions(model)
    raise_version(model, first, 2)
    assert version(model, first) == 3


def test_equal_codes_are_one(model):
    count = len(model.operatorCodes)
    first, second = convolutions(model)
    raise_version(model, first, 7)
    raise_version(model, second, 7)
    assert first.opcodeIndex == second.opcodeIndex
    assert len(model.operatorCodes) == count + 1


@pytest.mark.parametrize(
    "number, old", [(schema.BuiltinOperator.DEQUANTIZE, 6), (150, 127)]
)
def test_a_new_code_is_also_told_to_old_runtimes(number, old, model):
    code = model.operatorCodes[operator_code(model, number, 5)]
    assert (code.builtinCode, code.version) == (number, 5)
    assert code.deprecatedBuiltinCode == old


def test_a_file_names_the_latest_runtime_that_it_needs(model):
    assert runtime(model) == "1.14.0"
    require_runtime(model, "2.11.0")
    assert runtime(model) == "2.11.0"
    require_runtime(model, "2.7.0")
    assert runtime(model) == "2.11.0"


def test_without_metadata_a_file_stays(model):
    model.metadata = None
    require_runtime(model, "2.11.0")
    assert model.metadata is None
