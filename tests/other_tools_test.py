"""What other tools make of our files, as they are."""

import functools

import keras
import numpy as np
import pytest
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter
from keras import layers

from keras_eff.export.to_tflite import to_tflite

RECIPES = (
    *("dynamic_wi8_afp32", "dynamic_wi4_afp32"),
    *("weight_only_wi8_afp32", "weight_only_wi4_afp32"),
    *("static_wi8_ai8", "static_wi8_ai16"),
)


def image_model():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3), name="image"),
            layers.Conv2D(8, 3, activation="relu"),
            layers.DepthwiseConv2D(3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax", name="classes"),
        ]
    )


def text_model():
    ids = keras.Input((12,), dtype="int32", name="ids")
    x = layers.Embedding(50, 16)(ids)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 8)(x, x))
    x = x + layers.Dense(16)(layers.Dense(32, activation="gelu")(x))
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(ids, layers.Dense(3, name="label")(x))


def dict_model():
    a, b = keras.Input((8,), name="a"), keras.Input((4,), name="b")
    x = layers.Concatenate()([layers.Dense(8, activation="relu")(a), b])
    outputs = {"y": layers.Dense(3)(x), "x": layers.Dense(40)(x)}
    return keras.Model({"a": a, "b": b}, outputs)


MODELS = {
    image_model: ({"image": (8, 8, 3)}, ["classes"]),
    text_model: ({"ids": (12,)}, ["label"]),
    dict_model: ({"a": (8,), "b": (4,)}, ["x", "y"]),
}
each_model = pytest.mark.parametrize("make", MODELS, ids=lambda m: m.__name__)


def draw(make):
    generator = np.random.default_rng(0)
    return {
        name: generator.integers(0, 50, (16, *shape)).astype("int32")
        if name == "ids"
        else generator.normal(size=(16, *shape)).astype("float32")
        for name, shape in MODELS[make][0].items()
    }


def zeros(run):
    """Inputs for a signature, whatever their types."""
    return {
        name: np.zeros(detail["shape"], detail["dtype"])
        for name, detail in run.get_input_details().items()
    }


@functools.cache
def export(make, folder, quantize):
    keras.utils.set_random_seed(0)
    model, samples = make(), draw(make)
    given = samples if len(samples) > 1 else next(iter(samples.values()))
    path = folder / f"{make.__name__}_{quantize}.tflite"
    to_tflite(model, path, quantize, given)
    first = keras.tree.map_structure(lambda array: array[:1], given)
    outputs = keras.tree.flatten(model(first))
    return str(path), dict(zip(MODELS[make][1], outputs, strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@each_model
@pytest.mark.parametrize("quantize", [None, "int8"])
def test_the_signature_runs_the_model_by_name(make, quantize, folder):
    path, expected = export(make, folder, quantize)
    run = Interpreter(path).get_signature_runner("serving_default")
    details = run.get_input_details()
    assert details.keys() == MODELS[make][0].keys()
    if quantize is None:
        feeds = {name: array[:1] for name, array in draw(make).items()}
        outputs = run(**feeds)
        assert outputs.keys() == expected.keys()
        for name, output in outputs.items():
            np.testing.assert_allclose(output, expected[name], atol=1e-4)


@each_model
@pytest.mark.parametrize("quantize", [None, "int8"])
def test_a_compiled_model_runs_it_by_name(make, quantize, folder):
    path, _ = export(make, folder, quantize)
    compiled = CompiledModel.from_file(path)
    signature = compiled.get_signature_list()["serving_default"]
    inputs, outputs = MODELS[make]
    assert signature == {"inputs": list(inputs), "outputs": outputs}
    arrays = zeros(Interpreter(path).get_signature_runner())
    buffers = compiled.create_input_buffers(0)
    for name, buffer in zip(inputs, buffers, strict=True):
        buffer.write(arrays[name])
    compiled.run_by_index(0, buffers, compiled.create_output_buffers(0))


# Of the tool, where it looks for ranges.
@pytest.mark.filterwarnings("ignore:.*preserve_all_tensors:UserWarning")
@each_model
@pytest.mark.parametrize("recipe", RECIPES)
def test_litert_quantizer_takes_the_file_as_it_is(make, recipe, folder):
    quantizer = pytest.importorskip("litert_quantizer.quantizer")
    recipes = pytest.importorskip("litert_quantizer.recipe")
    path, expected = export(make, folder, None)
    tool = quantizer.Quantizer(path, getattr(recipes, recipe)())
    ranges = None
    if tool.need_calibration:
        arrays = draw(make)
        rows = [{k: v[i : i + 1] for k, v in arrays.items()} for i in range(8)]
        ranges = tool.calibrate({"serving_default": rows})
    content = bytes(tool.quantize(ranges).quantized_model)
    run = Interpreter(model_content=content).get_signature_runner()
    assert run(**zeros(run)).keys() == expected.keys()
