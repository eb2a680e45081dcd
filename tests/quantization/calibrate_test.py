import sys

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_eff
from keras_eff.layers import FakeQuant
from keras_eff.layers.cloning import layers_of
from keras_eff.quantization.calibrate import calibrate

SAMPLES = np.random.default_rng(0).normal(size=(70, 4)).astype("float32")


def by_hand():
    """A model whose activations are easy to tell: `x`, then `relu(x)`."""
    return keras.Sequential(
        [
            keras.Input((4,)),
            FakeQuant(name="inputs"),
            layers.Dropout(0.5),
            layers.ReLU(),
            FakeQuant(num_bits=4, name="outputs"),
        ]
    )


def ranges(model):
    return {x.name: x.range for x in layers_of(model, FakeQuant)}


def activations(model):
    """What the FakeQuant layers of a Functional model would see, in NumPy."""
    found = {}

    def replaced(layer):
        if isinstance(layer, FakeQuant):
            return layers.Identity(name=layer.name)
        return layer

    x = inputs = keras.Input(model.input_shape[1:])
    for layer in model.layers:
        if not isinstance(layer, layers.InputLayer):
            x = found[layer.name] = replaced(layer)(x)
    names = [x.name for x in layers_of(model, FakeQuant)]
    twin = keras.Model(inputs, {name: found[name] for name in names})
    return {k: ops.convert_to_numpy(v) for k, v in twin(SAMPLES).items()}


def convnet():
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ]
    )
    return keras_eff.quantize(model)


def test_minmax_is_the_smallest_and_largest_value():
    model = by_hand()
    assert calibrate(model, SAMPLES, batch_size=32) is model
    for name, values in activations(by_hand()).items():
        low, high = ranges(model)[name]
        assert low == pytest.approx(min(values.min(), 0.0))
        assert high == pytest.approx(values.max())


def test_what_is_observed_is_not_rounded_before():
    model = keras_eff.quantize(
        keras.Sequential(
            [keras.Input((4,)), *[layers.Dense(4) for _ in range(3)]]
        )
    )
    calibrate(model, SAMPLES)
    for name, values in activations(model).items():
        np.testing.assert_allclose(
            ranges(model)[name], (values.min(), values.max()), rtol=1e-5
        )


@pytest.mark.parametrize("share", [1.0, 0.9, 0.5])
def test_a_percentile_leaves_the_rarest_values_out(share):
    model = by_hand()
    calibrate(model, SAMPLES, "percentile", percentile=share, batch_size=16)
    tail = 100 * (1 - share) / 2
    for name, values in activations(model).items():
        low, high = np.percentile(values, [tail, 100 - tail])
        step = float(np.ptp(values)) / 100
        assert ranges(model)[name] == pytest.approx(
            (min(low, 0), high), abs=step
        )


def squared_error(values, low, high, num_bits):
    levels = 2**num_bits - 1
    scale = (high - low) / levels
    zero_point = np.round(-low / scale)
    steps = np.clip(np.round(values / scale) + zero_point, 0, levels)
    return np.mean(((steps - zero_point) * scale - values) ** 2)


def test_mse_has_the_least_error():
    model = by_hand()
    calibrate(model, SAMPLES, "mse")
    for name, values in activations(model).items():
        num_bits = model.get_layer(name).num_bits
        shares = np.linspace(0.02, 1.0, 50)
        candidates = [
            (values.min() * s, values.max() * t)
            for s in (shares if values.min() < 0 else [0.0])
            for t in shares
        ]
        best = min(squared_error(values, *c, num_bits) for c in candidates)
        error = squared_error(values, *ranges(model)[name], num_bits)
        assert error <= 1.05 * best


def test_clipping_pays_with_few_bits():
    model = by_hand()
    samples = np.random.default_rng(2).normal(size=(3000, 4))
    calibrate(model, samples, "mse", batch_size=3000)
    assert ranges(model)["outputs"][1] < 0.9 * samples.max()


def test_the_model_runs_in_inference_mode():
    model = convnet()
    (norm,) = layers_of(model, layers.BatchNormalization)
    before = ops.convert_to_numpy(norm.moving_mean)
    images = np.random.default_rng(1).normal(5.0, 1.0, (8, 4, 4, 3))
    calibrate(model, images)
    first = ranges(model)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(norm.moving_mean), before
    )
    assert ranges(calibrate(model, images)) == first


def test_layers_inside_nested_models_are_calibrated():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4)])
    model = keras.Sequential([keras.Input((4,)), inner, layers.Dense(2)])
    quantized = calibrate(keras_eff.quantize(model), SAMPLES)
    rounds = layers_of(quantized, FakeQuant)
    assert len(rounds) == 3 and all(x.calibrated for x in rounds)


def test_a_fixed_range_stays():
    quantized = calibrate(
        keras_eff.quantize(
            keras.Sequential([keras.Input((4,)), layers.Activation("tanh")]),
            input_range=(-9, 9),
        ),
        SAMPLES,
    )
    assert [x.range for x in layers_of(quantized, FakeQuant)] == [
        (-9.0, 9.0),
        (-1.0, 127 / 128),
    ]


def test_a_frozen_range_is_set_too():
    model = by_hand()
    model.trainable = False
    assert all(
        x.calibrated for x in layers_of(calibrate(model, SAMPLES), FakeQuant)
    )


def test_several_inputs_come_as_a_list_or_a_dict():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    model = keras.Model({"a": a, "b": b}, layers.Subtract()([a, b]))
    quantized = keras_eff.quantize(model)
    for samples in ([SAMPLES, -SAMPLES], {"b": -SAMPLES, "a": SAMPLES}):
        found = ranges(calibrate(quantized, samples))
        assert found["a_fake_quant"][1] == pytest.approx(SAMPLES.max())
        assert found["b_fake_quant"][1] == pytest.approx(-SAMPLES.min())


def test_training_goes_on_from_the_ranges_found():
    model = calibrate(by_hand(), SAMPLES)
    before = ranges(model)["inputs"]
    model(100 * SAMPLES, training=True)
    after = ranges(model)["inputs"]
    assert before[1] < after[1] < 3 * before[1]


def test_the_batch_size_is_that_of_each_step(monkeypatch):
    sizes = []
    model = by_hand()
    call = type(model).__call__

    def spy(self, inputs, **kwargs):
        sizes.append(len(inputs))
        return call(self, inputs, **kwargs)

    monkeypatch.setattr(type(model), "__call__", spy)
    calibrate(model, SAMPLES, batch_size=40)
    assert sizes == [40, 30]


@pytest.mark.parametrize(
    "verbose, seconds, is_terminal, shown",
    [
        (0, 9.0, True, False),
        (1, 0.0, False, True),
        ("auto", 0.0, True, False),
        ("auto", 9.0, True, True),
        ("auto", 9.0, False, False),
    ],
)
def test_progress_is_shown_on_a_terminal_when_it_takes_long(
    verbose, seconds, is_terminal, shown, monkeypatch, capsys
):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    times = iter([0.0] + [seconds] * 100)
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    calibrate(by_hand(), SAMPLES, "mse", batch_size=7, verbose=verbose)
    assert ("20/20" in capsys.readouterr().out) == shown


@pytest.mark.parametrize(
    "options, message",
    [
        ({"method": "kl"}, "`method` must be one of .*method='kl'"),
        ({"percentile": 0.0}, r"`percentile` .*\(0, 1\].*percentile=0.0"),
        ({"percentile": 99.9}, "`percentile` .*percentile=99.9"),
        ({"percentile": "all"}, "`percentile` .*percentile='all'"),
        ({"batch_size": 0}, "`batch_size` .*positive.*batch_size=0"),
        ({"batch_size": 8.0}, "`batch_size` .*batch_size=8.0"),
        ({"verbose": 2}, "`verbose` .*verbose=2"),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        calibrate(by_hand(), SAMPLES, **options)


def test_a_model_without_fake_quant_is_refused():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)], name="mine")
    with pytest.raises(ValueError, match="`keras_eff.quantize` first.*'mine'"):
        calibrate(model, SAMPLES)


def test_a_subclassed_model_is_refused():
    class Subclassed(keras.Model):
        pass

    with pytest.raises(ValueError, match="`keras_eff.calibrate` needs"):
        calibrate(Subclassed(), SAMPLES)


def test_samples_are_checked():
    with pytest.raises(ValueError, match="at least one sample"):
        calibrate(by_hand(), SAMPLES[:0])


@pytest.mark.parametrize("method", ["minmax", "mse"])
def test_after_an_error_the_model_is_as_it_was(method):
    inputs = keras.Input((4,))
    x = FakeQuant(name="first")(inputs)
    x = FakeQuant(name="second")(ops.log(x))
    model = keras.Model(inputs, x)
    model.get_layer("first").set_range(-7.0, 7.0)
    with pytest.raises(ValueError, match="NaN or infinity from these samples"):
        calibrate(model, SAMPLES, method)
    assert ranges(model) == {"first": (-7.0, 7.0), "second": (0.0, 0.0)}
    assert all(x.observer is None for x in layers_of(model, FakeQuant))


def test_a_layer_that_sees_nothing_keeps_its_range():
    class InTraining(layers.Layer):
        def __init__(self):
            super().__init__()
            self.rounding = FakeQuant(name="inside")

        def build(self, input_shape):
            self.rounding.build(input_shape)

        def call(self, x, training=False):
            return self.rounding(x) if training else x

    model = keras.Sequential([keras.Input((4,)), FakeQuant(), InTraining()])
    model(SAMPLES, training=True)
    before = ranges(model)["inside"]
    for method in ("minmax", "mse"):
        calibrate(model, 2 * SAMPLES, method)
        assert ranges(model)["inside"] == before
