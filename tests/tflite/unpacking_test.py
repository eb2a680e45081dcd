"""Files whose places share what they hold: no more work than their size."""

import dataclasses
import time

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_eff.edgetpu.lint import lint_edgetpu
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.inspection import inspect
from keras_eff.tflite.packing import pack
from keras_eff.tflite.strip_metadata import strip_metadata
from tests.support.converted_files import rewritten


@dataclasses.dataclass(frozen=True)
class Shared:
    """How often a file uses its one graph, tensor, operator and so on."""

    graphs: int = 1
    tensors: int = 1
    operators: int = 1
    inputs: int = 1
    outputs: int = 1
    name: int = 1
    custom_code: int = 0
    dimensions: int = 1


def places(builder, start, count, table):
    start(builder, count)
    for _ in range(count):
        builder.PrependUOffsetTRelative(table)
    return builder.EndVector()


def zeros(builder, start, count):
    start(builder, count)
    for _ in range(count):
        builder.PrependInt32(0)
    return builder.EndVector()


def build(shared):
    """The bytes of a file in which all places of a vector share a table."""
    builder = flatbuffers.Builder(0)
    name = builder.CreateString("n" * shared.name)
    code = builder.CreateString("c" * shared.custom_code)
    shape = zeros(builder, schema.TensorStartShapeVector, shared.dimensions)
    schema.TensorStart(builder)
    schema.TensorAddName(builder, name)
    schema.TensorAddShape(builder, shape)
    tensor = schema.TensorEnd(builder)
    inputs = zeros(builder, schema.OperatorStartInputsVector, shared.inputs)
    schema.OperatorStart(builder)
    schema.OperatorAddInputs(builder, inputs)
    operator = schema.OperatorEnd(builder)
    tensors = places(
        builder, schema.SubGraphStartTensorsVector, shared.tensors, tensor
    )
    operators = places(
        builder, schema.SubGraphStartOperatorsVector, shared.operators, operator
    )
    outputs = zeros(builder, schema.SubGraphStartOutputsVector, shared.outputs)
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, tensors)
    schema.SubGraphAddOperators(builder, operators)
    schema.SubGraphAddOutputs(builder, outputs)
    graph = schema.SubGraphEnd(builder)
    graphs = places(
        builder, schema.ModelStartSubgraphsVector, shared.graphs, graph
    )
    schema.OperatorCodeStart(builder)
    schema.OperatorCodeAddBuiltinCode(builder, 32)
    schema.OperatorCodeAddDeprecatedBuiltinCode(builder, 32)
    schema.OperatorCodeAddCustomCode(builder, code)
    codes = places(
        builder,
        schema.ModelStartOperatorCodesVector,
        1,
        schema.OperatorCodeEnd(builder),
    )
    schema.BufferStart(builder)
    buffers = places(
        builder,
        schema.ModelStartBuffersVector,
        1,
        schema.BufferEnd(builder),
    )
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddSubgraphs(builder, graphs)
    schema.ModelAddOperatorCodes(builder, codes)
    schema.ModelAddBuffers(builder, buffers)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def test_a_file_that_shares_little_is_read(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(build(Shared(tensors=2, operators=2, dimensions=4)))
    assert len(inspect(path).tensors) == 2


@pytest.mark.parametrize(
    "shared",
    [
        Shared(graphs=5000, tensors=5000),
        Shared(graphs=300, operators=300, inputs=3000),
        Shared(tensors=20_000),
        Shared(operators=500, inputs=20_000),
        Shared(tensors=500, name=20_000),
        Shared(tensors=20_000, name=1_000_000),
        Shared(tensors=500, dimensions=20_000),
        Shared(tensors=1, dimensions=100),
        Shared(operators=500, custom_code=20_000),
        Shared(outputs=5_000, name=20_000),
    ],
    ids=str,
)
def test_a_file_that_unpacks_to_much_more_than_its_size_is_refused(
    shared, tmp_path
):
    path = tmp_path / "m.tflite"
    path.write_bytes(build(shared))
    start = time.process_time()
    for read in (inspect, lint_edgetpu):
        with pytest.raises(ValueError, match="more than it has room for"):
            read(path)
    assert time.process_time() - start < 10


@pytest.mark.parametrize("name", ["conv_int8", "two_outputs", "dense"])
def test_real_files_are_far_from_the_bounds(converted, name):
    # Without weights and names: there is nothing else that has room.
    model = parse(rewritten(converted(name).data, strip_metadata))
    for buffer in model.buffers:
        buffer.data = None
    model.subgraphs *= 5
    data = pack(model)
    assert len(parse(data).subgraphs) == 5
