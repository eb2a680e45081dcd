import time

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from keras_eff.tflite.execution import execute
from keras_eff.tflite.flatbuffer import operator_name
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.packing import pack
from keras_eff.tflite.strip_metadata import strip_metadata
from tests.support.converted_files import rewritten


def strip(data):
    return rewritten(data, strip_metadata)


def run(data, samples, folder):
    path = folder / "model.tflite"
    path.write_bytes(data)
    execution = execute(path, samples)
    return execution.delegate + execution.builtin


def test_a_stripped_file_computes_the_same_bits(any_file, tmp_path):
    before = run(any_file.data, any_file.samples, tmp_path)
    after = run(strip(any_file.data), any_file.samples, tmp_path)
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new, strict=True)


def test_a_stripped_file_is_smaller(any_file):
    assert len(strip(any_file.data)) < 0.9 * len(any_file.data)


def test_strip_gives_the_same_bytes_once_twice_and_again(any_file):
    stripped = strip(any_file.data)
    assert stripped == strip(any_file.data) == strip(stripped)


def test_only_inputs_and_outputs_of_the_main_graph_keep_names(converted):
    before = parse(converted("lstm").data).subgraphs[0]
    graphs = parse(strip(converted("lstm").data)).subgraphs
    ends = [before.inputs[0], before.outputs[0]]
    names = [t.name for graph in graphs for t in graph.tensors if t.name]
    assert names == [before.tensors[index].name for index in ends]
    assert not any(graph.name for graph in graphs)


def test_signatures_stay(any_file):
    before = Interpreter(model_content=any_file.data).get_signature_list()
    stripped = strip(any_file.data)
    after = Interpreter(model_content=stripped).get_signature_list()
    assert before == after and before


def test_a_signature_still_computes(converted):
    file = converted("two_outputs")
    results = []
    for data in (file.data, strip(file.data)):
        run_signature = Interpreter(model_content=data).get_signature_runner()
        (name,) = run_signature.get_input_details()
        results.append(run_signature(**{name: file.samples[0][:1]}))
    assert results[0].keys() == results[1].keys()
    for name in results[0]:
        np.testing.assert_array_equal(results[0][name], results[1][name])


def test_metadata_that_describes_the_conversion_goes(converted):
    model = parse(converted("dense").data)
    names = {entry.name for entry in model.metadata}
    assert names == {b"min_runtime_version", b"CONVERSION_METADATA"}
    model.metadata.append(schema.MetadataT(b"reduced_precision_support", 0))
    (kept, precision) = parse(strip(pack(model))).metadata
    assert kept.name == b"min_runtime_version"
    assert precision.name == b"reduced_precision_support"


def test_the_content_of_kept_metadata_stays(converted):
    before, after = (
        model.buffers[model.metadata[0].buffer].data
        for model in map(parse, [file_data(converted), strip_data(converted)])
    )
    np.testing.assert_array_equal(before, after)


def file_data(converted):
    return converted("dense").data


def strip_data(converted):
    return strip(file_data(converted))


def test_description_and_training_ranges_go(converted):
    model = parse(converted("conv_int8").data)
    quantization = model.subgraphs[0].tensors[0].quantization
    quantization.min = quantization.max = np.float32([3.0])
    model = parse(strip(pack(model)))
    assert model.description is None
    stripped = model.subgraphs[0].tensors[0].quantization
    assert stripped.min is None and stripped.max is None
    np.testing.assert_array_equal(stripped.scale, quantization.scale)
    np.testing.assert_array_equal(stripped.zeroPoint, quantization.zeroPoint)


def test_equal_constants_share_a_buffer(converted):
    model = parse(converted("dense").data)
    graph = model.subgraphs[0]
    kernel = graph.tensors[1]
    values = model.buffers[kernel.buffer].data
    model.buffers.append(schema.BufferT(values.copy()))
    graph.tensors[0].buffer = len(model.buffers) - 1
    tensors = parse(strip(pack(model))).subgraphs[0].tensors
    assert tensors[0].buffer == tensors[1].buffer != 0


def test_tensors_without_values_share_the_empty_buffer(converted):
    model = parse(strip(converted("conv_int8").data))
    assert model.buffers[0].data is None
    assert all(buffer.data is not None for buffer in model.buffers[1:])


def test_a_constant_without_elements_stays_constant(converted):
    model = parse(converted("dense").data)
    model.buffers.append(schema.BufferT(np.empty(0, np.uint8)))
    model.subgraphs[0].tensors[1].buffer = len(model.buffers) - 1
    model = parse(strip(pack(model)))
    buffer = model.buffers[model.subgraphs[0].tensors[1].buffer]
    assert buffer.data is not None and len(buffer.data) == 0


def test_tensors_and_operator_codes_that_nothing_uses_go(converted):
    model = parse(converted("conv_int8").data)
    graph = model.subgraphs[0]
    names = [operator_name(model, op) for op in graph.operators]
    count = len(graph.tensors)
    graph.tensors.insert(0, schema.TensorT(name=b"unused"))
    shift(model, 1)
    model.operatorCodes.insert(0, schema.OperatorCodeT(9, None, 1, 9))
    model.operatorCodes.append(model.operatorCodes[1])
    graph.operators[2].opcodeIndex = len(model.operatorCodes) - 1
    model = parse(strip(pack(model)))
    graph = model.subgraphs[0]
    assert len(graph.tensors) == count
    assert [operator_name(model, op) for op in graph.operators] == names
    assert len(model.operatorCodes) == len(set(names))


def shift(model, step):
    """Renumbers for a tensor and an operator code put in front."""
    graph = model.subgraphs[0]
    for owner in (graph, *graph.operators):
        owner.inputs = np.where(owner.inputs < 0, -1, owner.inputs + step)
        owner.outputs = owner.outputs + step
    for operator in graph.operators:
        operator.opcodeIndex += step
    (signature,) = model.signatureDefs
    for port in (*signature.inputs, *signature.outputs):
        port.tensorIndex += step


def test_intermediates_are_renumbered(converted):
    model = parse(converted("dense").data)
    graph = model.subgraphs[0]
    graph.tensors += [schema.TensorT(name=b"unused"), schema.TensorT()]
    graph.operators[0].intermediates = np.array([4, -1], np.int32)
    graph = parse(strip(pack(model))).subgraphs[0]
    assert len(graph.tensors) == 4
    assert graph.operators[0].intermediates.tolist() == [3, -1]


def test_sparse_tensors_stay_sparse(converted):
    def sparsity(data):
        (tensor,) = [
            tensor
            for tensor in parse(data).subgraphs[0].tensors
            if tensor.sparsity
        ]
        rows = tensor.sparsity.dimMetadata[1]
        segments = rows.arraySegments.values.tolist()
        return segments, rows.arrayIndices.values.tolist()

    before = sparsity(converted("sparse").data)
    assert sparsity(strip(converted("sparse").data)) == before
    assert len(before[1]) < 0.5 * 32 * 16


def test_a_file_with_data_outside_its_tables_is_refused(outside_file):
    with pytest.raises(ValueError, match="Received: 1 data outside"):
        strip(outside_file)


def test_a_large_file_takes_seconds(converted):
    model = parse(converted("dense").data)
    values = np.random.default_rng(0).integers(0, 256, 2**26, np.uint8)
    model.buffers[model.subgraphs[0].tensors[1].buffer].data = values
    data = pack(model)
    start = time.perf_counter()
    assert len(strip(data)) > 2**26
    assert time.perf_counter() - start < 5


def test_the_most_used_operator_has_the_number_that_takes_no_room(any_file):
    model = parse(strip(any_file.data))
    numbers = [op.opcodeIndex for g in model.subgraphs for op in g.operators]
    uses = [numbers.count(n) for n in range(len(model.operatorCodes))]
    assert uses == sorted(uses, reverse=True) and all(uses)


def test_only_a_tensor_without_a_shape_is_marked_to_have_a_rank(any_file):
    before = parse(any_file.data).subgraphs[0].tensors
    assert any(tensor.hasRank for tensor in before)
    for tensor in parse(strip(any_file.data)).subgraphs[0].tensors:
        has_shape = tensor.shape is not None and len(tensor.shape) > 0
        assert not (has_shape and tensor.hasRank)
