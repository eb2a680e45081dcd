import pathlib

import pytest

import keras_eff
from support.text import text_models

TEXTS = ["one text", "and another with more than eight words in it", ""]
FRONT_ENDS = {
    "words": keras_eff.text.Words(8, 6),
    "characters": keras_eff.text.Characters(16),
}
REFERENCES = {
    name: model
    for name, model in text_models.MODELS.items()
    if name.split("_")[0] in ("prado", "pqrnn", "proformer", "sgnn")
}


@pytest.fixture(scope="module", params=REFERENCES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def front_end(name):
    return FRONT_ENDS[REFERENCES[name].reads]


@pytest.fixture(scope="module")
def model(name, front_end):
    return REFERENCES[name].build(5, front_end)


def test_output_is_a_logit_for_each_class(model, front_end):
    assert model.predict(front_end(TEXTS), verbose=0).shape == (3, 5)
    assert model.layers[-1].activation.__name__ == "linear"


def test_only_layer_normalization_stays_float(name, model):
    floats = set(keras_eff.coverage(model).floats.values())
    assert floats == ({"LayerNormalization"} if name == "proformer" else set())


@pytest.mark.parametrize("module", ["prado", "pqrnn", "proformer", "sgnn"])
def test_a_reference_model_is_at_most_80_lines(module):
    path = pathlib.Path(text_models.__file__).with_name(f"{module}.py")
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80


@pytest.mark.parametrize("name", ["prado"], indirect=True)
def test_file_has_no_float_tensor(model, front_end, tmp_path):
    quantized = keras_eff.quantize(model)
    samples = front_end(TEXTS)
    keras_eff.calibrate(quantized, samples)
    path = tmp_path / "prado.tflite"
    report = keras_eff.export.to_tflite(quantized, path, samples=samples)
    assert report.float_tensors == ()
