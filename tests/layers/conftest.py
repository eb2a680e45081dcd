"""What the layer tests share: the contract that every layer owes its user."""

import json
import pathlib
import types

import keras
import numpy as np
import pytest
from keras import ops

import keras_eff
from tests.support.replicas import measured_on_two_replicas
from tests.support.steps import ChannelMask
from tests.support.steps import LearnedStepSize


@keras.saving.register_keras_serializable(package="keras_eff_tests")
class Mask(keras_eff.layers.WeightTransform):
    """Multiplies the weight by a mask of 0s and 1s that it keeps."""

    order = 0

    def build(self, input_shape):
        self.mask = self.add_weight(
            shape=input_shape, initializer="ones", trainable=False
        )

    def call(self, weight):
        return weight * self.mask


@keras.saving.register_keras_serializable(package="keras_eff_tests")
class Cluster(keras_eff.layers.WeightTransform):
    """Rounds the weight up to multiples of a share of its largest value."""

    order = 1

    def __init__(self, share=0.3, **kwargs):
        super().__init__(**kwargs)
        self.share = share

    def call(self, weight):
        step = ops.max(ops.abs(weight)) * self.share
        rounded = ops.ceil(weight / step) * step
        return weight + ops.stop_gradient(rounded - weight)

    def get_config(self):
        return {**super().get_config(), "share": self.share}


@pytest.fixture(scope="session")
def steps():
    """Weight transforms as a user would write them."""
    return types.SimpleNamespace(
        Mask=Mask,
        Cluster=Cluster,
        ChannelMask=ChannelMask,
        LearnedStepSize=LearnedStepSize,
    )


def samples(shape, dtype):
    generator = np.random.default_rng(0)
    if "int" in dtype:
        return generator.integers(0, 5, (4, *shape)).astype(dtype)
    return generator.normal(size=(4, *shape)).astype(dtype)


def compiled_model(make, shape, dtype, **options):
    """The layer in a model, behind a layer to train if it takes floats."""
    model = keras.Sequential([keras.Input(shape, dtype=dtype)])
    if "float" in dtype:
        model.add(keras.layers.Dense(shape[-1]))
    model.add(make())
    model.compile(keras.optimizers.SGD(0.1), "mse", **options)
    return model


def fit_one_step(model, x):
    y = np.ones(model.compute_output_shape(x.shape))
    return model.fit(x, y, batch_size=len(x), verbose=0).history["loss"][0]


def check_config(make, shape, dtype, folder):
    layer = make()
    config = json.loads(json.dumps(layer.get_config()))
    clone = type(layer).from_config(config)
    assert json.loads(json.dumps(clone.get_config())) == config
    serialized = keras.saving.serialize_keras_object(layer)
    assert serialized["registered_name"] == f"keras_eff>{type(layer).__name__}"


def check_shapes(make, shape, dtype, folder):
    symbolic = make()(keras.Input(shape, batch_size=4, dtype=dtype))
    layer = make()
    eager = layer(samples(shape, dtype))
    assert tuple(eager.shape) == symbolic.shape
    assert keras.backend.standardize_dtype(eager.dtype) == symbolic.dtype
    expected = layer.compute_output_shape((4, *shape))
    assert tuple(expected) == symbolic.shape


def check_mixed_float16(make, shape, dtype, folder):
    x = samples(shape, dtype)
    keras.utils.set_random_seed(0)
    expected = ops.convert_to_numpy(make()(x))
    half = "float16" if "float" in dtype else dtype
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layer = make()
        outputs = layer(x.astype(half))
        symbolic = make()(keras.Input(shape, batch_size=4, dtype=half))
    finally:
        keras.config.set_dtype_policy("float32")
    assert symbolic.dtype == "float16"
    assert keras.backend.standardize_dtype(outputs.dtype) == "float16"
    assert {weight.dtype for weight in layer.weights} <= {"bool", "float32"}
    outputs = ops.convert_to_numpy(outputs).astype("float32")
    np.testing.assert_allclose(outputs, expected, atol=0.02)


def check_fit(make, shape, dtype, folder):
    model = compiled_model(make, shape, dtype)
    x = samples(shape, dtype)
    first, second = fit_one_step(model, x), fit_one_step(model, x)
    assert second < first


def check_save(make, shape, dtype, folder):
    # `check_fit` compiles it.
    model = compiled_model(make, shape, dtype, jit_compile=False)
    x = samples(shape, dtype)
    fit_one_step(model, x)
    model.save(folder / "model.keras")
    loaded = keras.saving.load_model(folder / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0)
    )


@pytest.fixture(
    params=[
        check_config,
        check_shapes,
        check_mixed_float16,
        check_fit,
        check_save,
    ],
    ids=["config", "shapes", "mixed_float16", "fit", "save"],
)
def contract(request, tmp_path):
    """One clause of the contract, of (make_layer, input_shape, dtype)."""

    def check(make, shape=(3,), dtype="float32"):
        request.param(make, shape, dtype, tmp_path)

    return check


@pytest.fixture
def check_twin():
    """Checks that a layer computes and trains as one of Keras does."""

    def check(make, make_twin, shape):
        x = samples(shape, "float32")
        models = []
        for make_layer in (make, make_twin):
            model = keras.Sequential([keras.Input(shape), make_layer()])
            model.compile(keras.optimizers.Adam(0.1), "mse", jit_compile=False)
            models.append(model)
        ours, twin = models
        trained = zip(ours.weights[:2], twin.weights, strict=True)
        for variable, original in trained:
            variable.assign(original)
        expected = twin.predict(x, verbose=0)
        np.testing.assert_array_equal(ours.predict(x, verbose=0), expected)
        # XLA may fuse the two in different ways.
        close = {"rtol": 1e-5, "atol": 1e-6}
        loss = fit_one_step(twin, x)
        np.testing.assert_allclose(fit_one_step(ours, x), loss, **close)
        for variable, original in zip(ours.weights, twin.weights, strict=False):
            assert variable.shape == original.shape
            found, expected = map(ops.convert_to_numpy, (variable, original))
            np.testing.assert_allclose(found, expected, **close)
        assert (ops.convert_to_numpy(original) != 0).any()

    return check


@pytest.fixture
def masked_mean():
    """Checks that a mean after a layer leaves out what was masked before."""

    def check(layer):
        ids = np.array([[0, 2, 1]])
        embedding = keras.layers.Embedding(3, 2, mask_zero=True)
        mean = keras.layers.GlobalAveragePooling1D()
        outputs = layer(embedding(ids))
        expected = ops.convert_to_numpy(outputs)[:, 1:].mean(axis=1)
        outputs = ops.convert_to_numpy(mean(outputs))
        np.testing.assert_allclose(outputs, expected, rtol=1e-5)

    return check


@pytest.fixture(scope="session")
def on_two_replicas():
    """What two_replicas.py measures, in a process with two CPU devices."""
    return measured_on_two_replicas(
        pathlib.Path(__file__).with_name("two_replicas.py")
    )
