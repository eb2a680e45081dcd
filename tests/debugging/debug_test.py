import functools
import importlib.util
import math

import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.debugging.debug import debug
from keras_eff.tflite.flatbuffer import operator_name
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.packing import pack

_WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


def conv_net():
    """A float model with a branch and a sum, and one with a nested model."""
    layers = keras.layers
    inner = keras.Sequential(
        [
            keras.Input((8, 8, 6)),
            layers.DepthwiseConv2D(3, padding="same", name="depthwise"),
            layers.ReLU(name="inner_relu"),
        ]
    )
    inputs = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(6, 3, strides=2, padding="same", name="stem")(inputs)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization()(x))
    y = layers.Conv2D(6, 1, name="project")(inner(x))
    x = layers.Add(name="sum")([x, y])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(4, name="classes")(x))


def samples_of(model, count=20):
    generator = np.random.default_rng(0)
    return [
        generator.standard_normal((count, *x.shape[1:])).astype("float32")
        for x in model.inputs
    ]


@functools.cache
def exported(kind, folder):
    """(model, path of its file, samples), made once for all tests."""
    keras.utils.set_random_seed(0)
    model = conv_net()
    samples = samples_of(model)
    quantize = None if kind in ("float32", "trained") else kind
    if kind == "trained":
        model = keras_eff.calibrate(keras_eff.quantize(model), samples)
    path = folder / f"{kind}.tflite"
    keras_eff.export.to_tflite(model, path, quantize, samples)
    return model, path, samples


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("debug")


@pytest.fixture
def export(folder):
    return lambda kind: exported(kind, folder)


def break_kernel(data, name, number=0):
    """Shuffles the kernel of an operator; returns the file and its output."""
    model = parse(data)
    graph = model.subgraphs[0]
    named = [o for o in graph.operators if operator_name(model, o) == name]
    kernel = graph.tensors[named[number].inputs[1]]
    values = np.array(model.buffers[kernel.buffer].data)
    if kernel.quantization is None or kernel.quantization.scale is None:
        values = values.view(np.float32)
    np.random.default_rng(0).shuffle(values)
    model.buffers[kernel.buffer].data = values.view(np.uint8)
    return pack(model), int(named[number].outputs[0])


_LEAST_DB = {"float32": 100, "float16": 50, "dynamic": 25, "int8": 25}


@pytest.mark.parametrize("kind", _LEAST_DB)
def test_each_layer_of_a_correct_file_is_found_and_near(export, kind):
    model, path, samples = export(kind)
    report = debug(model, path, samples)
    layers = [row.layer for row in report.rows if row.op != "INPUT"]
    assert layers == [
        "stem_relu",
        "inner_relu",
        "project",
        "sum",
        "pool",
        "classes",
    ]
    assert report.num_unmatched == 0 and report.num_samples == 16
    assert min(row.sqnr_db for row in report.rows) > _LEAST_DB[kind]
    assert max(row.drop_db for row in report.rows) < 15


def test_an_integer_file_is_measured_in_its_own_steps(export):
    model, path, samples = export("trained")
    report = debug(model, path, samples)
    assert report.num_unmatched == 0
    for row in report.rows:
        assert row.mean_lsb <= row.max_lsb < 2.5
        assert row.scale > 0 and "fake_quant" in row.layer
    (image,) = [row for row in report.rows if row.op == "INPUT"]
    assert image.elements == 16 * 16 * 3


def test_the_figures_of_a_row_are_those_of_its_arrays(export):
    model, path, samples = export("int8")
    row = debug(model, path, samples).rows[-1]
    samples = samples[0][:16]
    expected = keras.ops.convert_to_numpy(model(samples))
    actual = keras_eff.export.execute(path, [samples]).builtin[0]
    errors = np.abs(expected - actual)
    ratio = 10 * math.log10(np.sum(expected**2) / np.sum(errors**2))
    assert row.layer == "classes" and row.elements == 4
    assert row.sqnr_db == pytest.approx(ratio, rel=1e-3)
    assert row.mean_lsb == pytest.approx(errors.mean() / row.scale, rel=1e-3)
    assert row.max_lsb == pytest.approx(errors.max() / row.scale, rel=1e-3)


@pytest.mark.parametrize("kind", ["trained", "int8", "float32"])
@pytest.mark.parametrize(
    ("operator", "number", "layer"),
    [
        ("CONV_2D", 0, "stem_relu"),
        ("DEPTHWISE_CONV_2D", 0, "inner_relu"),
        ("CONV_2D", 1, "project"),
        ("FULLY_CONNECTED", 0, "classes"),
    ],
)
def test_a_broken_kernel_comes_first(
    export, tmp_path, kind, operator, number, layer
):
    model, path, samples = export(kind)
    data, output = break_kernel(path.read_bytes(), operator, number)
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(data)
    report = debug(model, broken, samples)
    worst = report.worst(1)[0]
    assert worst.tensor == output and worst.layer.startswith(layer)
    assert worst.sqnr_db < 15 and worst.drop_db > 15
    assert f"{layer}" in str(report).splitlines()[2]
    before = report.rows[: report.rows.index(worst)]
    assert all(row.sqnr_db > 25 for row in before)


def test_a_wrong_scale_is_found_by_what_it_makes(export, tmp_path):
    model, path, samples = export("trained")
    file = parse(path.read_bytes())
    graph = file.subgraphs[0]
    kernel = graph.tensors[graph.operators[1].inputs[1]]
    kernel.quantization.scale = kernel.quantization.scale * np.float32(2)
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(pack(file))
    report = debug(model, broken, samples)
    output = int(graph.operators[1].outputs[0])
    assert report.worst(1)[0].tensor == output


def test_several_inputs_and_outputs_are_matched(tmp_path):
    a, b = keras.Input((6,), name="a"), keras.Input((4,), name="b")
    joined = keras.layers.Concatenate(name="joined")([a, b])
    hidden = keras.layers.Dense(8, activation="relu", name="hidden")(joined)
    outputs = [keras.layers.Dense(8, name=name)(hidden) for name in "cd"]
    model = keras.Model([a, b], outputs)
    samples = samples_of(model)
    path = tmp_path / "model.tflite"
    keras_eff.export.to_tflite(model, path, samples=samples, batch_size=3)
    report = debug(model, path, samples)
    names = [row.layer for row in report.rows]
    assert sorted(names) == ["c", "d", "hidden", "joined"]
    assert min(row.sqnr_db for row in report.rows) > 100


def test_steps_inside_a_layer_belong_to_none(tmp_path):
    layers = [keras.Input((5,)), keras.layers.Dense(3, "softmax", name="top")]
    model = keras.Sequential(layers)
    samples = samples_of(model)
    path = tmp_path / "model.tflite"
    keras_eff.export.to_tflite(model, path, samples=samples)
    report = debug(model, path, samples)
    assert [(row.layer, row.op) for row in report.rows] == [("top", "SOFTMAX")]
    assert report.num_unmatched == 1


def test_steps_of_a_rewritten_activation_belong_to_none(tmp_path):
    layers = [
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(4, 3, name="conv"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Activation("hard_silu", name="swish"),
        keras.layers.Conv2D(4, 1, name="last"),
    ]
    model = keras.Sequential(layers)
    samples = samples_of(model)
    path = tmp_path / "model.tflite"
    keras_eff.export.to_tflite(model, path, "int8", samples)
    report = debug(model, path, samples)
    assert report.num_unmatched > 0
    assert {"swish", "last"} <= {row.layer for row in report.rows}
    assert min(row.sqnr_db for row in report.rows) > 20


def test_the_plot_is_a_png(export, tmp_path):
    pytest.importorskip("matplotlib")
    model, path, samples = export("int8")
    plot = tmp_path / "sqnr.png"
    debug(model, path, samples, plot=plot)
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["sqnr.png"]


def test_a_plot_without_matplotlib_is_refused(export, monkeypatch):
    model, path, samples = export("float32")
    monkeypatch.setattr(importlib.util, "find_spec", {}.get)
    with pytest.raises(ImportError, match="pip install 'keras_eff"):
        debug(model, path, samples, plot="plot.png")


def test_a_file_of_another_model_is_refused(export, converted, tmp_path):
    model, _, samples = export("float32")
    path = tmp_path / "model.tflite"
    path.write_bytes(converted("dense").data)
    with pytest.raises(ValueError, match="shape"):
        debug(model, path, samples)
    other = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="export of `model`.*Received: 1 comp"):
        debug(other, path, np.ones((2, 8)))


def test_samples_and_models_are_checked(export, tmp_path):
    model, path, samples = export("float32")
    with pytest.raises(ValueError, match="`samples`.*Received: shape"):
        debug(model, path, np.zeros((2, 3)))
    with pytest.raises(TypeError, match=r"export\.debug"):
        debug("model", path, samples)
    with pytest.raises(FileNotFoundError, match="Received: path="):
        debug(model, tmp_path / "missing.tflite", samples)
    with pytest.raises(FileNotFoundError):
        debug(model, path, samples, plot=tmp_path / "missing" / "plot.png")


def test_a_damaged_file_raises_or_is_measured(export, tmp_path):
    """Whatever the damage, the caller's process goes on."""
    model, path, samples = export("int8")
    data = path.read_bytes()
    generator = np.random.default_rng(0)
    ran = 0
    for _ in range(100):
        damaged = np.frombuffer(data, np.uint8).copy()
        places = generator.integers(8, len(data), 2)
        damaged[places] ^= generator.integers(1, 256, 2).astype(np.uint8)
        try:
            parse(damaged.tobytes())
        except ValueError:
            continue
        if ran < 6:
            ran += 1
            (tmp_path / "bad.tflite").write_bytes(damaged.tobytes())
            try:
                report = debug(model, tmp_path / "bad.tflite", samples)
            except (ValueError, RuntimeError):
                continue
            assert report.rows
    assert ran == 6
    for cut in (10, 100, len(data) // 2):
        (tmp_path / "bad.tflite").write_bytes(data[:cut])
        with pytest.raises(ValueError, match="complete"):
            debug(model, tmp_path / "bad.tflite", samples)
