import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_eff
from keras_eff.export import file_passes
from keras_eff.export import to_tflite as module  # the function
from keras_eff.export.held_out import split_samples
from keras_eff.tflite.execution import execute
from keras_eff.tflite.flatbuffer import parse

to_tflite = keras_eff.export.to_tflite


@pytest.fixture(scope="module")
def images():
    generator = np.random.default_rng(0)
    return generator.standard_normal((24, 8, 8, 3)).astype("float32")


def convnet():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3), name="image"),
            layers.Conv2D(8, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(5, activation="softmax", name="classes"),
        ]
    )


@pytest.fixture(scope="module")
def model(images):
    keras.utils.set_random_seed(1)
    model = convnet()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images, np.arange(24) % 5, epochs=2, verbose=0)
    return model


@pytest.fixture(scope="module")
def aware(model, images):
    """The same network after a little quantization-aware training."""
    quantized = keras_eff.quantize(model)
    quantized.compile("adam", "sparse_categorical_crossentropy")
    quantized.fit(images, np.arange(24) % 5, epochs=2, verbose=0)
    return quantized


@pytest.mark.parametrize(
    "quantize, most_error",
    [
        (None, 1e-5),
        ("float16", 1e-2),
        ("dynamic", 0.1),
        ("int8", 0.1),
        ("weight_only_int8", 0.02),
    ],
)
def test_each_format_computes_what_keras_does(
    quantize, most_error, model, images, tmp_path
):
    report = to_tflite(model, tmp_path / "m.tflite", quantize, images)
    assert report.max_abs_error <= most_error
    assert report.size_bytes == (tmp_path / "m.tflite").stat().st_size
    assert report.gzip_bytes < report.size_bytes
    assert report.agreement >= 0.9
    assert report.delegate_partitions == 1
    assert report.seconds > 0
    (outputs,) = execute(report.path, [images]).delegate
    expected = model.predict(images, verbose=0)
    assert np.abs(outputs - expected).max() <= most_error


@pytest.fixture(scope="module")
def mixed(model, images):
    """Weights of 4 bits in the convolution, of 6 in the dense layer."""
    num_bits = {layers.Conv2D: 4, "classes": 6}
    quantized = keras_eff.quantize(model, num_bits)
    return keras_eff.calibrate(quantized, images)


def constants(report):
    contents = keras_eff.export.inspect(report.path)
    return {
        t.dtype: t.size_bytes
        for t in contents.tensors
        if t.is_constant and len(t.shape) > 1
    }


def test_widths_may_differ_from_layer_to_layer(mixed, images, tmp_path):
    path = tmp_path / "m.tflite"
    report = to_tflite(mixed, path, "int4", images)
    assert constants(report) == {"int4": 27 * 8 // 2, "int8": 6 * 6 * 8 * 5}
    assert report.max_abs_error <= 1.001 / 256
    assert report.float_agreement is None
    assert constants(to_tflite(mixed, path, None, images)).keys() == {"int8"}


def test_4_bits_after_training(model, images, tmp_path):
    report = to_tflite(model, tmp_path / "m.tflite", "int4", images)
    assert constants(report).keys() == {"int4"}
    assert report.max_abs_error <= 2.001 / 256
    assert 0.0 < report.float_agreement <= 1.0


def test_4_bit_weights_alone_are_compared_with_their_own_kind(
    model, images, tmp_path
):
    path = tmp_path / "m.tflite"
    report = to_tflite(model, path, "weight_only_int4", images)
    assert constants(report) == {
        # 27 * 8 weights are too few to gain by it.
        "float32": 4 * 27 * 8,
        "int4": 6 * 6 * 8 * 5 // 2,
    }
    assert report.max_abs_error < 1e-5
    assert report.agreement == 1.0
    assert 0.0 < report.float_agreement <= 1.0
    (outputs,) = execute(path, [images]).delegate
    assert np.abs(outputs - model.predict(images, verbose=0)).max() > 1e-3


def test_16_bit_activations(model, images, tmp_path):
    report = to_tflite(model, tmp_path / "m.tflite", "int16x8", images)
    contents = keras_eff.export.inspect(report.path)
    assert contents.inputs[0].dtype == contents.outputs[0].dtype == "int16"
    assert contents.inputs[0].name == "image"
    assert report.float_tensors == ()
    assert report.max_abs_error < 0.01
    assert report.delegate_partitions == 0
    assert report.float_agreement is None


def test_formats_differ_in_size_and_types(model, images, tmp_path):
    sizes = [
        to_tflite(model, tmp_path / "m.tflite", q, images).size_bytes
        for q in (None, "float16", "int8")
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_int8_file_is_integer_throughout(aware, tmp_path):
    report = to_tflite(aware, tmp_path / "m.tflite")
    contents = keras_eff.export.inspect(report.path)
    assert report.float_tensors == ()
    assert {t.dtype for t in contents.tensors} <= {"int8", "int32"}
    assert contents.inputs[0].dtype == contents.outputs[0].dtype == "int8"
    assert contents.inputs[0].shape == (1, 8, 8, 3)


def test_small_batch_norm_convnet_is_within_one_lsb(aware, images, tmp_path):
    report = to_tflite(aware, tmp_path / "m.tflite", samples=images)
    assert report.max_abs_error <= 1.001 / 256
    assert report.agreement == 1.0


def test_weights_of_the_file_are_those_that_were_trained(aware, tmp_path):
    report = to_tflite(aware, tmp_path / "m.tflite")
    kernel = keras.ops.convert_to_numpy(aware.get_layer("classes").kernel)
    scale = np.abs(kernel).max(axis=0) / 127
    expected = np.round(kernel / scale).astype("int8").T
    buffers = [
        np.asarray(buffer.data).view("int8")
        for buffer in parse((tmp_path / "m.tflite").read_bytes()).buffers
        if buffer.data is not None and len(buffer.data) == expected.size
    ]
    assert report.ops["FULLY_CONNECTED"] == 1
    assert any(np.array_equal(b, expected.ravel()) for b in buffers)


def test_loaded_model_exports_the_same_bytes(aware, images, tmp_path):
    aware.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(
        aware.predict(images, verbose=0), loaded.predict(images, verbose=0)
    )
    for name, each in (("a", aware), ("b", loaded)):
        to_tflite(each, tmp_path / f"{name}.tflite", samples=images)
    first, second = (tmp_path / f"{n}.tflite" for n in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_export_leaves_the_model_as_it_was(aware, images, tmp_path):
    before = aware.get_weights()
    outputs = aware.predict(images, verbose=0)
    to_tflite(aware, tmp_path / "m.tflite", samples=images)
    for old, new in zip(before, aware.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(outputs, aware.predict(images, verbose=0))


def test_names_of_ends_are_kept_and_others_on_request(aware, tmp_path):
    to_tflite(aware, tmp_path / "a.tflite")
    to_tflite(aware, tmp_path / "b.tflite", keep_names=True)
    stripped, named = (
        keras_eff.export.inspect(tmp_path / f"{n}.tflite") for n in "ab"
    )
    assert stripped.inputs[0].name == named.inputs[0].name == "image"
    assert "classes" in stripped.outputs[0].name
    assert sum(bool(t.name) for t in stripped.tensors) == 2
    assert all(t.name for t in named.tensors)
    assert stripped.size_bytes < named.size_bytes


@pytest.mark.parametrize("io_dtype", ["uint8", "float32"])
def test_ends_can_have_another_type(io_dtype, aware, images, tmp_path):
    path = tmp_path / "m.tflite"
    to_tflite(aware, path, samples=images, io_dtype=io_dtype)
    contents = keras_eff.export.inspect(path)
    assert contents.inputs[0].dtype == io_dtype
    assert contents.outputs[0].dtype == io_dtype


def test_batch_size_is_fixed_in_the_file(aware, images, tmp_path):
    path = tmp_path / "m.tflite"
    to_tflite(aware, path, samples=images[:7], batch_size=3)
    contents = keras_eff.export.inspect(path)
    assert contents.inputs[0].shape == (3, 8, 8, 3)


def test_few_bits_are_exact_in_the_file(model, images, tmp_path):
    quantized = keras_eff.quantize(model, num_bits=4)
    keras_eff.calibrate(quantized, images)
    report = to_tflite(quantized, tmp_path / "m.tflite", samples=images)
    assert report.max_abs_error <= 1.001 / 256
    weights = [
        t
        for t in keras_eff.export.inspect(report.path).tensors
        if t.is_constant and t.dtype == "int8"
    ]
    assert weights


def test_fake_quants_placed_by_hand_make_an_int8_file(images, tmp_path):
    inputs = keras.Input((8, 8, 3))
    x = keras_eff.layers.FakeQuant()(inputs)
    x = layers.Conv2D(4, 3)(x)
    x = layers.BatchNormalization()(x)
    x = keras_eff.layers.FakeQuant()(layers.ReLU()(x))
    x = layers.Dense(3)(layers.Flatten()(x))
    model = keras.Model(inputs, keras_eff.layers.FakeQuant()(x))
    model.compile("adam", "mse")
    model.fit(images, np.zeros((24, 3)), epochs=2, verbose=0)
    report = to_tflite(model, tmp_path / "m.tflite", samples=images)
    assert report.float_tensors == ()
    assert report.mean_lsb < 1.0


def test_two_rounds_in_a_row_both_count(images, tmp_path):
    inputs = keras.Input((8, 8, 3))
    x = keras_eff.layers.FakeQuant(fixed_range=(-4.0, 4.0))(inputs)
    narrow = keras_eff.layers.FakeQuant(fixed_range=(-0.5, 1.0))(x)
    outputs = keras_eff.layers.FakeQuant(fixed_range=(-5.0, 5.0))(x + narrow)
    model = keras.Model(inputs, outputs)
    report = to_tflite(model, tmp_path / "m.tflite", samples=images)
    assert report.mean_lsb < 0.1


def test_several_inputs_and_outputs_by_name(tmp_path):
    ids = keras.Input((6,), dtype="int32", name="ids")
    extra = keras.Input((4,), name="extra")
    x = layers.GlobalAveragePooling1D()(layers.Embedding(50, 8)(ids))
    x = layers.Dense(4, activation="relu")(x)
    total = layers.Add(name="total")([x, extra])
    model = keras.Model(
        {"ids": ids, "extra": extra},
        {"b": layers.Dense(3)(total), "a": layers.Dense(2)(x)},
    )
    generator = np.random.default_rng(0)
    samples = {
        "extra": generator.standard_normal((16, 4)).astype("float32"),
        "ids": generator.integers(0, 50, (16, 6)).astype("int32"),
    }
    report = to_tflite(model, tmp_path / "m.tflite", "int8", samples)
    contents = keras_eff.export.inspect(report.path)
    assert {t.name: t.dtype for t in contents.inputs} == {
        "ids": "int32",
        "extra": "int8",
    }
    assert [t.shape for t in contents.outputs] == [(1, 2), (1, 3)]
    assert report.mean_lsb < 1.0


def test_nested_and_shared_models(images, tmp_path):
    inner = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
        ]
    )
    inputs = keras.Input((8, 8, 3))
    x = layers.Concatenate()([inner(inputs), inner(inputs * 0.5)])
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))
    report = to_tflite(model, tmp_path / "m.tflite", "int8", images)
    assert report.float_tensors == ()
    assert report.mean_lsb < 1.0


def test_mixed_float16_model_becomes_a_full_precision_file(images, tmp_path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = convnet()
        aware = keras_eff.calibrate(keras_eff.quantize(model), images)
        plain = to_tflite(model, tmp_path / "f.tflite", samples=images)
        report = to_tflite(aware, tmp_path / "q.tflite", samples=images)
    finally:
        keras.config.set_dtype_policy("float32")
    contents = keras_eff.export.inspect(plain.path)
    assert {t.dtype for t in contents.tensors} <= {"float32", "int32"}
    assert report.float_tensors == ()


def test_skipped_layers_keep_float_weights(model, images, tmp_path):
    quantized = keras_eff.quantize(model, skip="classes")
    keras_eff.calibrate(quantized, images)
    report = to_tflite(quantized, tmp_path / "m.tflite", samples=images)
    dtypes = {
        t.dtype
        for t in keras_eff.export.inspect(report.path).tensors
        if t.is_constant and len(t.shape) == 2
    }
    assert dtypes == {"float32"}
    assert report.ops["DEQUANTIZE"] == 1


@pytest.mark.parametrize(
    "layer", [layers.LSTM(4), layers.GRU(4), layers.LayerNormalization()]
)
def test_layers_without_integer_kernels_stay_float(layer, tmp_path):
    model = keras.Sequential(
        [keras.Input((5, 3)), layers.Dense(4), layer, layers.Dense(2)]
    )
    samples = np.random.default_rng(0).standard_normal((8, 5, 3))
    report = to_tflite(
        model, tmp_path / "m.tflite", "int8", samples.astype("float32")
    )
    assert report.float_tensors
    assert report.ops["FULLY_CONNECTED"] >= 2


def test_attention_in_integers(tmp_path):
    inputs = keras.Input((6, 8))
    x = layers.MultiHeadAttention(2, 4)(inputs, inputs)
    model = keras.Model(inputs, layers.Dense(3)(x + inputs))
    samples = np.random.default_rng(0).standard_normal((16, 6, 8))
    report = to_tflite(
        model, tmp_path / "m.tflite", "int8", samples.astype("float32")
    )
    assert report.float_tensors == ()
    assert report.ops["BATCH_MATMUL"] == 2


def test_nothing_is_printed(model, images, tmp_path, capfd):
    to_tflite(model, tmp_path / "m.tflite", "int8", images)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_report_reads_well(model, images, tmp_path):
    report = to_tflite(model, tmp_path / "m.tflite", "int8", images)
    assert "LSB" in str(report)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.size_bytes = 0


def test_post_training_report_also_compares_with_float(model, images, tmp_path):
    path = tmp_path / "m.tflite"
    after = to_tflite(model, path, "int8", images)
    assert 0.8 <= after.float_agreement <= 1.0
    assert to_tflite(model, path, None, images).float_agreement is None


@pytest.fixture(scope="module")
def chooser():
    """Chooses the largest of its first three inputs."""
    layer = layers.Dense(3, activation="softmax", name="choice")
    model = keras.Sequential([keras.Input((8,)), layer])
    layer.set_weights([4.0 * np.eye(8, 3), np.zeros(3)])
    return model


@pytest.fixture
def vectors():
    generator = np.random.default_rng(0)
    return generator.standard_normal((64, 8)).astype("float32")


def with_outlier(vectors):
    outlier = vectors.copy()
    outlier[5, 7] = 1e4
    return outlier


def test_a_file_that_lost_the_signal_is_refused(
    chooser, vectors, tmp_path, told
):
    arguments = (chooser, tmp_path / "m.tflite", "int8", with_outlier(vectors))
    with pytest.raises(RuntimeError, match="answers otherwise") as caught:
        to_tflite(*arguments)
    assert_nothing_written(tmp_path)
    for part in (
        *("'choice': agreement 0.", "over 16 samples", "min_agreement=0.8"),
        *("signal is lost in", "truer `samples`", "Nothing was written"),
    ):
        assert part in str(caught.value)
    report = to_tflite(*arguments, min_agreement=0.0)
    (text,) = told()
    assert "up to 1e+04" in text
    assert report.agreement == 1.0
    assert report.float_agreement < 0.6
    first = str(report).splitlines()[1]
    assert f"the model: agreement {report.float_agreement:.3f}, R2" in first


def test_a_file_that_is_only_measured_warns_of_no_samples(
    chooser, vectors, tmp_path, caplog, told
):
    path = tmp_path / "m.tflite"
    to_tflite(chooser, path, "int8", vectors[:4], min_agreement=0.0)
    assert not caplog.text
    assert not told()


def test_files_are_judged_on_samples_that_ranges_are_not_from(
    chooser, vectors, tmp_path
):
    path = tmp_path / "m.tflite"
    report = to_tflite(chooser, path, "int8", vectors)
    assert report.samples_kind == "held-out"
    assert report.against_model.num_samples == 16
    judged = split_samples([np.arange(64)], True).judged[0]
    larger = vectors.copy()
    larger[judged] = np.abs(larger[judged]) * 20.0
    with pytest.raises(RuntimeError, match="over 16 samples"):
        to_tflite(chooser, path, "int8", larger)
    # Its ranges are from nowhere else.
    aware = keras_eff.calibrate(keras_eff.quantize(chooser), vectors)
    report = to_tflite(aware, path, samples=vectors)
    assert report.samples_kind == "given"
    assert report.against_model.num_samples == 64
    assert to_tflite(aware, path).samples_kind == "random"


def detector():
    """Boxes that reach 640 and, in the same tensor, scores below 1."""
    inputs = keras.Input((8,))
    boxes = layers.Dense(2, activation="sigmoid")(inputs)
    scores = layers.Dense(2, activation="sigmoid")(inputs)
    joined = layers.Concatenate(name="found")
    return keras.Model(
        inputs, {"found": joined([layers.Rescaling(640.0)(boxes), scores])}
    )


@pytest.mark.parametrize("io_dtype", [None, "float32"])
def test_scores_beside_boxes_are_told_by_name(
    io_dtype, vectors, tmp_path, told
):
    keras.utils.set_random_seed(0)
    path = tmp_path / "m.tflite"
    report = to_tflite(detector(), path, "int8", vectors, io_dtype=io_dtype)
    (text,) = told()
    assert "channels 2, 3 of output 'found'" in text
    assert report.against_model.outputs[0].faint == (2, 3)
    assert "worst channel: found[" in str(report)
    assert report.against_model.worst_channel[-1] < 0.0


def test_outputs_are_compared_by_name(vectors, tmp_path):
    inputs = keras.Input((8,))
    good = layers.Dense(2, name="good")(inputs)
    lost = layers.Dense(1, use_bias=False, name="lost")
    model = keras.Model(inputs, {"b": good, "a": lost(inputs)})
    # The difference of two inputs that are nearly the same.
    lost.set_weights([np.array([[1.0], [-1.0], *[[0.0]] * 6])])
    samples = vectors.copy()
    samples[:, 1] = samples[:, 0] + 0.01 * samples[:, 2]
    with pytest.raises(RuntimeError, match="'a': R2") as caught:
        to_tflite(model, tmp_path / "m.tflite", "int8", samples)
    assert "'good'" not in str(caught.value).split("below")[0]


@pytest.mark.parametrize("quantize", ["int8", "int16x8", None, "dynamic"])
def test_samples_that_cannot_be_data_are_told(
    quantize, chooser, tmp_path, told
):
    zeros = np.zeros((40, 8), "float32")
    to_tflite(chooser, tmp_path / "m.tflite", quantize, zeros)
    (text,) = told()
    assert "values of 0 throughout" in text


def assert_nothing_written(folder):
    assert list(folder.iterdir()) == []


def unbuilt():
    return keras.Sequential([layers.Dense(2)])


def with_nan():
    model = convnet()
    model.get_layer("classes").bias.assign(np.full(5, np.nan))
    return model


def half_calibrated():
    inputs = keras.Input((8, 8, 3))
    x = keras_eff.layers.FakeQuant(fixed_range=(-1.0, 1.0))(inputs)
    x = keras_eff.layers.FakeQuant(name="unseen")(layers.Dense(2)(x))
    return keras.Model(inputs, x)


def four_bit_activations():
    inputs = keras.Input((8, 8, 3))
    layer = keras_eff.layers.FakeQuant(4, fixed_range=(-1.0, 1.0))
    return keras.Model(inputs, layer(inputs))


@pytest.mark.parametrize(
    "build, arguments, error, message",
    [
        (unbuilt, {}, ValueError, "not built"),
        (lambda: object(), {}, TypeError, "Received: builtins.object"),
        (convnet, {"quantize": "int2"}, ValueError, "Received: quantize='i"),
        (convnet, {"quantize": "int8"}, ValueError, "samples=None"),
        (
            convnet,
            {"quantize": "weight_only_int8", "sparse": True},
            ValueError,
            "Received: sparse=True",
        ),
        (convnet, {"io_dtype": "int16"}, ValueError, "Received: io_dtype"),
        (convnet, {"batch_size": 0}, ValueError, "Received: batch_size=0"),
        (convnet, {"tolerance": -1.0}, ValueError, "Received: tolerance"),
        (convnet, {"verbose": 2}, ValueError, "Received: verbose=2"),
        (convnet, {"min_agreement": 80}, ValueError, "min_agreement=80"),
        (convnet, {"min_agreement": True}, ValueError, "min_agreement=True"),
        (
            convnet,
            {"samples": np.zeros((0, 8, 8, 3), "f")},
            ValueError,
            "at least one",
        ),
        (
            convnet,
            {"samples": np.zeros((4, 8, 8, 1), "f")},
            ValueError,
            r"Received: shape \(4, 8, 8, 1\)",
        ),
        (
            convnet,
            {"samples": np.full((4, 8, 8, 3), np.nan, "f")},
            ValueError,
            "NaN",
        ),
        (
            convnet,
            {"samples": np.full((4, 8, 8, 3), "text")},
            ValueError,
            "Received:",
        ),
        (half_calibrated, {}, ValueError, "unseen"),
        (half_calibrated, {"quantize": "float16"}, ValueError, "float16"),
        (four_bit_activations, {}, ValueError, r"num_bits=\[4\]"),
        (with_nan, {}, RuntimeError, "does not compute"),
    ],
)
def test_bad_input_raises_and_writes_nothing(
    build, arguments, error, message, tmp_path
):
    with pytest.raises(error, match=message):
        to_tflite(build(), tmp_path / "m.tflite", **arguments)
    assert_nothing_written(tmp_path)


@pytest.mark.parametrize(
    "path, error",
    [
        ("missing/m.tflite", FileNotFoundError),
        (".", IsADirectoryError),
        (3, TypeError),
    ],
)
def test_unwritable_path_raises_first(path, error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        to_tflite(convnet(), path)
    assert_nothing_written(tmp_path)


def test_subclassed_model_is_refused_with_the_way_out(tmp_path):
    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match=r"keras.Model\(inputs, outputs\)"):
        to_tflite(Subclassed(), tmp_path / "m.tflite")


def test_a_file_that_differs_is_refused(aware, images, tmp_path, monkeypatch):
    path = tmp_path / "m.tflite"
    path.write_bytes(b"what was there")
    other = keras_eff.calibrate(keras_eff.quantize(convnet()), images)
    written = file_passes.model_file
    monkeypatch.setattr(
        file_passes, "model_file", lambda _, *rest: written(other, *rest)
    )
    with pytest.raises(RuntimeError, match="does not compute"):
        to_tflite(aware, path, samples=images)
    assert path.read_bytes() == b"what was there"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_interruption_leaves_nothing(aware, images, tmp_path, monkeypatch):
    def interrupt(*unused):
        raise KeyboardInterrupt

    monkeypatch.setitem(module.__globals__, "execute_unchecked", interrupt)
    with pytest.raises(KeyboardInterrupt):
        to_tflite(aware, tmp_path / "m.tflite", samples=images)
    assert_nothing_written(tmp_path)


def test_dtypes_name_formats_and_the_types_of_ends(model, images, tmp_path):
    report = to_tflite(
        model,
        tmp_path / "m.tflite",
        tf.int8,
        tf.data.Dataset.from_tensor_slices((images, images)).batch(8),
        io_dtype=np.uint8,
    )
    assert report.float_tensors == ()
    (ends,) = keras_eff.export.inspect(report.path).inputs
    assert ends.dtype == "uint8"


def test_a_model_is_not_overwritten(model, tmp_path):
    path = tmp_path / "m.keras"
    model.save(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not of a Keras model"):
        to_tflite(model, path)
    assert path.read_bytes() == before


def test_the_agreement_of_constants_is_told(vectors, tmp_path):
    inputs = keras.Input((8,))
    constant = layers.Dense(3, kernel_initializer="zeros")
    model = keras.Model(inputs, constant(layers.Dense(4)(inputs)))
    report = to_tflite(model, tmp_path / "m.tflite", samples=vectors)
    assert "agreement 1.000 of constant outputs" in str(report)
