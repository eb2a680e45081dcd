import gzip
import re

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_eff.edgetpu.lint import lint_edgetpu
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.inspection import inspect
from keras_eff.tflite.inspection import output_steps
from keras_eff.tflite.operator_versions import operator_code
from keras_eff.tflite.packing import pack
from keras_eff.tflite.signature import write_signature
from keras_eff.tflite.strip_metadata import strip_metadata
from tests.support.converted_files import rewritten


def strip(data):
    return rewritten(data, strip_metadata)


@pytest.fixture
def report(converted, tmp_path):
    def make(name, change=lambda data: data):
        path = tmp_path / "model.tflite"
        path.write_bytes(change(converted(name).data))
        return inspect(path)

    return make


def test_sizes_are_those_of_the_file(report, converted):
    data = converted("conv_int8").data
    found = report("conv_int8")
    assert found.size_bytes == len(data)
    assert found.gzip_bytes == len(gzip.compress(data, 9, mtime=0))


def test_operators_are_counted_with_their_versions(report):
    found = report("conv_int8")
    assert found.ops == {
        "CONV_2D": 2,
        "DEPTHWISE_CONV_2D": 1,
        "FULLY_CONNECTED": 1,
        "MEAN": 1,
        "SOFTMAX": 1,
    }
    assert found.op_versions["CONV_2D"] == (3,)
    assert found.op_versions.keys() == found.ops.keys()


def test_operators_of_loop_bodies_are_counted(report):
    found = report("lstm")
    assert found.ops["WHILE"] == 1
    assert found.ops["TANH"] == 2
    assert {tensor.subgraph for tensor in found.tensors} == {0, 1, 2}


def test_inputs_and_outputs_have_name_shape_type_and_scale(report):
    found = report("conv_int8")
    (image,), (scores,) = found.inputs, found.outputs
    assert "keras_tensor" in image.name
    assert (image.shape, image.dtype) == ((1, 12, 12, 3), "int8")
    assert 0 < image.scale < 0.1 and -128 <= image.zero_point <= 127
    assert (scores.scale, scores.zero_point) == (1 / 256, -128)


def test_an_input_without_scale_has_none(report):
    (ids,) = report("two_outputs").inputs
    assert (ids.dtype, ids.scale, ids.zero_point) == ("int32", None, None)


def test_open_dimensions_are_minus_one(report):
    assert report("dense").inputs[0].shape == (-1, 8)


def test_weights_have_their_values_scales_and_axis(report):
    tensors = report("conv_int8").tensors
    (kernel,) = [t for t in tensors if t.shape == (16, 1, 1, 8)]
    assert kernel.is_constant and kernel.size_bytes == 16 * 8
    assert len(kernel.scales) == len(kernel.zero_points) == 16
    assert kernel.quantized_axis == 0
    assert kernel.scale is None and kernel.zero_point is None


def test_activations_take_no_bytes_and_have_no_axis(report):
    image = report("conv_int8").inputs[0]
    assert not image.is_constant and image.size_bytes == 0
    assert image.quantized_axis is None


def test_sparse_weights_take_less_than_their_shape(report):
    tensors = report("sparse").tensors
    (kernel,) = [tensor for tensor in tensors if tensor.is_sparse]
    assert kernel.is_constant
    assert kernel.shape == (16, 32)
    assert kernel.size_bytes < 16 * 32 * 4 / 2


def test_an_integer_file_has_no_float_tensors(report):
    assert report("conv_int8").float_tensors == ()


def test_float_tensors_in_use_are_named(report):
    found = report("dense")
    ends = (found.inputs[0].name, found.outputs[0].name)
    assert len(found.float_tensors) == 3
    assert set(ends) < set(found.float_tensors)


def test_nameless_float_tensors_are_labelled_by_their_operator(report):
    labels = report("lstm", strip).float_tensors
    assert "TANH:0 (#28)" in labels
    assert any(label.startswith("input 1 of FULLY_CONN") for label in labels)


def test_a_float_tensor_that_nothing_uses_is_not_reported(report):
    def unplug(data):
        model = parse(data)
        model.subgraphs[0].operators[0].inputs = np.array([0, 1, -1], np.int32)
        model.subgraphs[0].operators[0].outputs = np.array([], np.int32)
        return pack(model)

    assert len(report("dense", unplug).float_tensors) == 2


def test_printing_a_report_lists_what_matters(report):
    text = str(report("conv_int8"))
    assert "bytes, " in text and "after gzip" in text
    assert "CONV_2D              2  version 3" in text
    assert "int8[1, 12, 12, 3]" in text
    assert text.endswith("float   none")
    assert max(map(len, text.splitlines())) <= 100


def test_printing_a_report_shortens_the_float_tensors(report):
    assert str(report("lstm")).endswith("more")


def test_a_constant_stored_behind_the_tables_is_counted(outside_file, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(outside_file)
    kernel = inspect(path).tensors[1]
    assert kernel.is_constant and kernel.size_bytes == 8 * 4 * 4


@pytest.mark.parametrize("size", [0, 4, 100, 1000])
def test_a_damaged_file_is_refused(report, size):
    with pytest.raises(ValueError, match="Received: "):
        report("conv_int8", lambda data: data[:size])


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="Received: path="):
        inspect(tmp_path / "missing.tflite")


def test_a_number_that_stands_for_a_name_is_explained(converted, tmp_path):
    path = tmp_path / "dense.tflite"
    stripped = strip(converted("dense").data)
    path.write_bytes(rewritten(stripped, write_signature, ["x"], ["y"]))
    names = inspect(path).float_tensors
    assert {"x", "y"} < set(names)
    others = [name for name in names if name not in "xy"]
    assert all(re.search(r" of FULLY_CONNECTED \(#\d\)", n) for n in others)


def test_names_of_strangers_reach_the_terminal_spelled_out(converted, tmp_path):
    model = parse(converted("conv_int8").data)
    main = model.subgraphs[0]
    for index in (*main.inputs, *main.outputs):
        main.tensors[index].name = b"\x1b]0;owned\x07\nsize 1 byte"
    for code in model.operatorCodes:
        code.builtinCode = code.deprecatedBuiltinCode = 32
        code.customCode = b"\xff\x1b[31m\n0 CONV_2D maps"
    path = tmp_path / "m.tflite"
    path.write_bytes(pack(model))
    for report in (inspect(path), lint_edgetpu(path)):
        text = str(report)
        assert "\\x1b" in text and text.replace("\n", "").isprintable()
        lines = text.splitlines()
        assert not any(line.startswith(("size 1", "0 CONV")) for line in lines)


def test_a_scale_without_a_zero_point_can_be_printed(converted, tmp_path):
    model = parse(converted("conv_int8").data)
    for tensor in model.subgraphs[0].tensors:
        if tensor.quantization is not None:
            tensor.quantization.zeroPoint = None
    path = tmp_path / "m.tflite"
    path.write_bytes(pack(model))
    report = inspect(path)
    assert report.inputs[0].scale and report.inputs[0].zero_point == 0
    assert "inputs" in str(report)


def test_floats_made_of_integers_have_their_step(converted):
    model = parse(converted("conv_int8").data)
    graph = model.subgraphs[0]
    (output,) = graph.outputs
    step = graph.tensors[output].quantization.scale[0]
    assert output_steps(model) == [step]
    floats = schema.TensorT(shape=graph.tensors[output].shape)
    graph.tensors.append(floats)
    graph.outputs = np.array([len(graph.tensors) - 1], np.int32)
    number = schema.BuiltinOperator.DEQUANTIZE
    code = operator_code(model, number, 2)
    graph.operators.append(
        schema.OperatorT(code, np.array([output]), graph.outputs)
    )
    assert output_steps(model) == [step]


def test_floats_that_were_computed_have_no_step(converted):
    assert output_steps(parse(converted("dense").data)) == [None]
