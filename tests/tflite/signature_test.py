import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from keras_eff.tflite.execution import execute
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.inspection import inspect
from keras_eff.tflite.packing import pack
from keras_eff.tflite.signature import write_signature
from keras_eff.tflite.strip_metadata import strip_metadata
from tests.support.converted_files import rewritten

ENDS = {"two_outputs": (["ids"], ["sum", "dense"])}


def strip(data):
    return rewritten(data, strip_metadata)


def sign(data, *names):
    return rewritten(data, write_signature, *names)


@pytest.fixture
def signed(converted):
    def of(name):
        ends = ENDS.get(name, (["image"], ["classes"]))
        return sign(strip(converted(name).data), *ends)

    return of


def names(data):
    """The names of all tensors, graph by graph."""
    return [[t.name for t in graph.tensors] for graph in parse(data).subgraphs]


def test_ends_have_the_names_and_compute_the_same(converted, tmp_path):
    file = converted("conv_int8")
    before, after = tmp_path / "a.tflite", tmp_path / "b.tflite"
    before.write_bytes(file.data)
    after.write_bytes(sign(file.data, ["image"], ["classes"]))
    contents = inspect(after)
    assert contents.inputs[0].name == "image"
    assert contents.outputs[0].name == "classes"
    outputs = [execute(path, file.samples).delegate for path in (before, after)]
    np.testing.assert_array_equal(*outputs)


def test_the_signature_runs_by_these_names(converted, signed):
    data = signed("two_outputs")
    (ids,) = converted("two_outputs").samples
    run = Interpreter(model_content=data).get_signature_runner()
    outputs = run(ids=ids[:1])
    assert Interpreter(model_content=data).get_signature_list() == {
        "serving_default": {"inputs": ["ids"], "outputs": ["dense", "sum"]}
    }
    np.testing.assert_array_equal(outputs["sum"], ids[:1].sum(axis=1))


@pytest.mark.parametrize("name", ["dense", "lstm", "two_outputs", "sparse"])
def test_each_tensor_of_a_file_of_floats_has_one_short_name(signed, name):
    found = [each for graph in names(signed(name)) for each in graph]
    assert len(set(found)) == len(found)
    ends = {end.encode() for side in ENDS.get(name, ([], [])) for end in side}
    others = set(found) - ends - {b"image", b"classes"}
    assert others and all(other.isdigit() for other in others)


def test_a_file_of_integers_names_its_ends_alone(signed):
    (found,) = names(signed("conv_int8"))
    assert sorted(filter(None, found)) == [b"classes", b"image"]


def test_a_tensor_may_be_two_ends(converted):
    model = parse(converted("dense").data)
    graph = model.subgraphs[0]
    graph.outputs = np.array([*graph.outputs, *graph.outputs], np.int32)
    data = sign(strip(pack(model)), ["x"], ["y", "z"])
    outputs = Interpreter(model_content=data).get_signature_runner()(
        x=converted("dense").samples[0][:1]
    )
    assert outputs.keys() == {"y", "z"}
    np.testing.assert_array_equal(outputs["y"], outputs["z"])


def test_an_input_and_an_output_of_one_name_are_two_tensors(converted):
    data = sign(strip(converted("dense").data), ["x"], ["x"])
    graph = parse(data).subgraphs[0]
    ends = (*graph.inputs, *graph.outputs)
    assert [graph.tensors[i].name for i in ends] == [b"x", b"x_1"]
    signature = Interpreter(model_content=data).get_signature_list()
    assert signature["serving_default"] == {"inputs": ["x"], "outputs": ["x"]}


def test_names_that_are_kept_do_not_repeat_those_of_the_ends(converted):
    data = converted("dense").data
    graph = parse(data).subgraphs[0]
    ends = {*graph.inputs, *graph.outputs}
    inner = next(t.name for i, t in enumerate(graph.tensors) if i not in ends)
    (found,) = names(sign(data, [inner.decode()], ["y"]))
    assert inner in found and len(set(found)) == len(found)
