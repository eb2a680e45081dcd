import numpy as np
import pytest

from keras_eff.export.flatbuffer import is_constant
from keras_eff.export.flatbuffer import operator_name
from keras_eff.export.flatbuffer import parse
from keras_eff.export.flatbuffer import read
from keras_eff.export.packing import pack


def test_read_returns_the_bytes_of_the_file(converted, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(converted("dense").data)
    assert read(path) == read(str(path)) == converted("dense").data


@pytest.mark.parametrize("name", ["missing.tflite", "."])
def test_read_refuses_what_is_not_a_file(name, tmp_path):
    with pytest.raises(FileNotFoundError, match="Received: path="):
        read(tmp_path / name)


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\x89PNG\r\n\x1a\n" * 9])
def test_read_refuses_an_empty_or_foreign_file(data, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="identifier b'TFL3'.*Received: path"):
        read(path)


@pytest.mark.parametrize("name", ["conv_int8", "two_outputs"])
def test_parse_refuses_a_file_cut_anywhere(converted, name):
    data = converted(name).data
    end = len(data.rstrip(b"\0"))
    for size in [*range(8, end, 61), *range(end - 40, end)]:
        with pytest.raises(ValueError, match="complete.*Received: "):
            parse(data[:size])


def test_parse_refuses_an_index_that_points_at_nothing(converted):
    model = parse(converted("dense").data)
    model.subgraphs[0].tensors[0].buffer = 99
    data = pack(model)
    with pytest.raises(ValueError, match="complete.*Received: "):
        parse(data)


def test_parse_refuses_a_constant_stored_past_the_end(outside_file):
    assert len(parse(outside_file).buffers)
    with pytest.raises(ValueError, match="complete.*Received: "):
        parse(outside_file[:-1])


def test_lists_that_the_file_lacks_come_back_empty(converted):
    model = parse(converted("dense").data)
    model.subgraphs[0].inputs = None
    model.subgraphs[0].operators[0].inputs = None
    model.signatureDefs[0].inputs = None
    model = parse(pack(model))
    assert len(model.subgraphs[0].inputs) == 0
    assert len(model.subgraphs[0].operators[0].inputs) == 0
    assert model.signatureDefs[0].inputs == []


def test_operator_name_is_the_builtin_or_the_custom_name(converted):
    model = parse(converted("dense").data)
    operator = model.subgraphs[0].operators[0]
    assert operator_name(model, operator) == "FULLY_CONNECTED"
    model.operatorCodes[0].customCode = b"FlexErf"
    assert operator_name(model, operator) == "FlexErf"


def test_only_tensors_with_values_are_constant(converted):
    model = parse(converted("dense").data)
    tensors = model.subgraphs[0].tensors
    assert [is_constant(model, t) for t in tensors] == [False, True, False]
    tensors[0].externalBuffer = 1
    assert is_constant(model, tensors[0])


def test_values_are_views_of_the_file(converted):
    data = converted("dense").data
    buffers = parse(data).buffers
    stored = [buffer.data for buffer in buffers if buffer.data is not None]
    assert all(isinstance(values, np.ndarray) for values in stored)
    assert all(data.find(values.tobytes()) > 0 for values in stored)
