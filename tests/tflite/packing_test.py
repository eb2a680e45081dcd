import copy

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.packing import pack


def offsets_of_constants(data):
    """Where the values of each buffer begin in the file."""
    address = np.frombuffer(data, np.uint8).ctypes.data
    root = schema.Model.GetRootAs(data, 0)
    buffers = [root.Buffers(i) for i in range(root.BuffersLength())]
    return [
        buffer.DataAsNumpy().ctypes.data - address
        for buffer in buffers
        if not buffer.DataIsNone()
    ]


def test_constants_are_aligned_to_16_bytes_in_the_file(any_file):
    offsets = offsets_of_constants(pack(parse(any_file.data)))
    assert offsets and not any(offset % 16 for offset in offsets)


def test_a_packed_file_holds_the_same_model(any_file):
    packed = pack(parse(any_file.data))
    assert plain(parse(packed)) == plain(parse(any_file.data))


def plain(value):
    """A model as nested lists and dictionaries, which compare by value."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if hasattr(value, "__dict__"):
        return {name: plain(item) for name, item in vars(value).items()}
    return value


def test_the_same_model_gives_the_same_bytes(any_file):
    packed = pack(parse(any_file.data))
    assert packed == pack(parse(any_file.data)) == pack(parse(packed))


def test_equal_vectors_and_names_are_stored_once(converted):
    model = parse(converted("dense").data)
    tensor = model.subgraphs[0].tensors[0]
    size = len(pack(model))
    tensor.name = b"a name of the file" * 10
    tensor.shape = np.arange(1, 200, dtype=np.int32)
    longer = len(pack(model))
    model.subgraphs[0].tensors[2].name = tensor.name
    model.subgraphs[0].tensors[2].shape = tensor.shape.copy()
    assert size + 800 < longer
    assert len(pack(model)) <= longer


def test_equal_tables_are_stored_once(converted):
    model = parse(converted("conv_int8").data)
    size = len(pack(model))
    graph = model.subgraphs[0]
    graph.tensors += [copy.deepcopy(graph.tensors[0]) for _ in range(50)]
    # The offset of each, and the alignment of the file.
    assert len(pack(model)) <= size + 50 * 4 + 16
    assert plain(parse(pack(model))) == plain(model)


def test_data_outside_the_tables_is_refused(converted):
    for damage in (offset_buffer, external_buffer, offset_options):
        model = parse(converted("dense").data)
        damage(model)
        with pytest.raises(ValueError, match="Received: 1 data outside"):
            pack(model)


def offset_buffer(model):
    model.buffers[1] = schema.BufferT(None, 1024, 16)


def external_buffer(model):
    model.externalBuffers = [schema.ExternalBufferT()]


def offset_options(model):
    model.subgraphs[0].operators[0].largeCustomOptionsOffset = 1024


def test_operator_options_of_a_newer_schema_are_refused(converted):
    model = parse(converted("dense").data)
    model.subgraphs[0].operators[0].builtinOptions = None
    with pytest.raises(ValueError, match="1 operators with unknown options"):
        pack(model)
