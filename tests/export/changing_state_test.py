import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_eff
from keras_eff.export.changing_state import state_in_outputs
from keras_eff.export.changing_state import with_stored_draws
from keras_eff.tflite.execution import execute


class Sampling(layers.Layer):
    """The noise of a variational autoencoder, unknown to Keras."""

    def __init__(self, **options):
        super().__init__(**options)
        self.seed = keras.random.SeedGenerator(7)

    def call(self, inputs):
        mean, deviation = inputs
        shape = keras.ops.shape(mean)
        return mean + deviation * keras.random.normal(shape, seed=self.seed)


def encoder():
    inputs = keras.Input((8,))
    hidden = layers.Dense(64, activation="relu")(inputs)
    mean, deviation = layers.Dense(4)(hidden), layers.Dense(4)(hidden)
    sample = Sampling(name="sample")([mean, deviation])
    return keras.Model(inputs, [mean, sample])


def recognizer():
    return keras.Sequential(
        [
            keras.Input((6, 8)),
            layers.Lambda(lambda x: keras.ops.abs(x) - 1.0),
            layers.Bidirectional(layers.LSTM(8, dropout=0.25)),
            layers.Dense(4, activation=lambda x: x * 2.0),
        ]
    )


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(5, 8)).astype("float32")


@pytest.fixture
def sequences():
    return np.random.default_rng(0).normal(size=(5, 6, 8)).astype("float32")


def warnings_of_state(caplog):
    messages = [record.message for record in caplog.records]
    return [text for text in messages if "changes no state" in text]


@pytest.mark.parametrize(
    "quantize, batch_size",
    [(None, 2), ("weight_only_int8", 1), ("int8", 1), ("int16x8", 1)],
)
def test_noise_is_the_draw_that_keras_makes_and_a_warning_names_it(
    quantize, batch_size, vectors, caplog, tmp_path
):
    model, path = encoder(), tmp_path / "m.tflite"
    seed = keras.ops.convert_to_numpy(model.get_layer("sample").seed.state)
    report = keras_eff.export.to_tflite(
        model, path, quantize, vectors, batch_size=batch_size
    )
    assert report.max_abs_error < 0.05
    (message,) = warnings_of_state(caplog)
    assert message.endswith(
        "random numbers are one draw, stored in the file: sample"
    )
    np.testing.assert_array_equal(model.get_layer("sample").seed.state, seed)
    first, second = (execute(path, [vectors]).delegate[1] for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "quantize", [None, "float16", "dynamic", "weight_only_int4", "int8"]
)
def test_dropout_and_lambdas_leave_no_trace_in_a_file(
    quantize, sequences, caplog, tmp_path
):
    path = tmp_path / "m.tflite"
    model = recognizer()
    report = keras_eff.export.to_tflite(model, path, quantize, sequences)
    assert report.max_abs_error < 0.05
    assert not warnings_of_state(caplog)


def test_only_what_outputs_show_is_named(sequences):
    inputs = keras.Input((6, 8))
    x = layers.LSTM(4, dropout=0.5, name="quiet")(inputs)
    y = Sampling(name="hidden")([x, x])
    seen = Sampling(name="seen")([x, x])
    model = keras.Model(inputs, [seen, y * 0.0])
    assert state_in_outputs(model, [sequences], 2) == ["seen"]
    assert not state_in_outputs(keras.Model(inputs, x), [sequences], 2)


def test_calibration_leaves_seeds_as_they_are(vectors):
    quantized = keras_eff.quantize(encoder())
    keras_eff.calibrate(quantized, vectors)
    np.testing.assert_array_equal(
        quantized.get_layer("sample").seed.state, Sampling().seed.state
    )


def test_a_layer_that_goes_on_where_it_ended_starts_anew(caplog, tmp_path):
    lstm = layers.LSTM(4, stateful=True, return_sequences=True)
    model = keras.Sequential([keras.Input(batch_shape=(1, 3, 2)), lstm])
    samples = np.random.default_rng(0).normal(size=(2, 3, 2))
    report = keras_eff.export.to_tflite(
        model, tmp_path / "m.tflite", samples=samples
    )
    assert report.max_abs_error < 1e-5
    assert len(warnings_of_state(caplog)) == 1


SPECS = [tf.TensorSpec((2, 3), "float32")]


def function(compute):
    return tf.function(compute, input_signature=SPECS, autograph=False)


def kinds(function):
    graph = function.get_concrete_function().graph
    return {operation.type for operation in graph.get_operations()}


def test_what_draws_nothing_is_the_same_function():
    plain = function(lambda x: [x + 1.0])
    assert with_stored_draws(plain, SPECS) is plain


def test_draws_are_constants_and_variables_stay_variables():
    seed, weight = keras.random.SeedGenerator(3), tf.Variable([[2.0]])

    def draws(x):
        noise = keras.random.normal((2, 3), seed=seed)
        noise -= keras.random.gamma((2, 3), 2.0, seed=seed)
        which = keras.random.randint((2, 3), 0, 5, seed=seed)
        return [x * weight + noise, tf.cast(which, "float32")]

    def run(x):
        with keras.StatelessScope():
            return draws(x)

    stored = with_stored_draws(function(run), SPECS)
    inputs = np.ones((2, 3), "float32")
    for actual, expected in zip(stored(inputs), run(inputs), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-6)
    assert not any("StatelessRandomNormal" in kind for kind in kinds(stored))
    weight.assign([[5.0]])
    np.testing.assert_allclose(stored(inputs)[0], run(inputs)[0], atol=1e-6)


def test_draws_that_inputs_determine_stay():
    def run(x):
        seed = tf.cast(x[0, :2], "int32")
        return [x + tf.random.stateless_uniform((2, 3), seed)]

    plain = function(run)
    assert with_stored_draws(plain, SPECS) is plain
