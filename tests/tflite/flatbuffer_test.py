import os

import numpy as np
import pytest

from keras_eff.tflite.flatbuffer import is_constant
from keras_eff.tflite.flatbuffer import operator_name
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.flatbuffer import read
from keras_eff.tflite.flatbuffer import readable
from keras_eff.tflite.packing import pack


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


@pytest.mark.parametrize("start", [b"\x89PNG", b"\x1c\0\0\0TFL3"])
def test_read_neither_reads_nor_keeps_what_is_too_large(start, tmp_path):
    # More than any machine holds, and almost nothing on the disk.
    path = tmp_path / "huge.tflite"
    with path.open("wb") as file:
        file.write(start)
        file.truncate(2**43)
    with pytest.raises(ValueError, match="A .tflite file must.*huge.tflite"):
        read(path)


def test_read_does_not_wait_for_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError, match="Received: path="):
        read(tmp_path / "pipe")


def test_names_are_any_bytes_and_are_safe_to_print(converted):
    model = parse(converted("dense").data)
    operator = model.subgraphs[0].operators[0]
    model.operatorCodes[0].customCode = b"a\n\x1b[2J\xff\xe2\x80\xae"
    assert operator_name(model, operator) == "a\\n\\x1b[2J\ufffd\\u202e"
    assert readable(None) == ""


def test_parse_refuses_a_file_without_one_of_its_inputs(converted):
    model = parse(converted("dense").data)
    model.subgraphs[0].inputs = np.array([-1], np.int32)
    with pytest.raises(ValueError, match="complete.*Received: "):
        parse(pack(model))
