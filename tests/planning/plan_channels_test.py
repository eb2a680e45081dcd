import os

import keras
import numpy as np
import pytest
from keras import layers

import keras_eff

only_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="only TensorFlow's models become files",
)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, name="stem", activation="relu")(inputs)
    y = layers.Conv2D(16, 1, name="inner", activation="sigmoid")(x)
    y = layers.Conv2D(8, 1, name="residual")(y)
    x = layers.GlobalAveragePooling2D()(x + y)
    return keras.Model(inputs, layers.Dense(4, name="head")(x))


X = np.random.default_rng(0).standard_normal((8, 8, 8, 3), "float32")


def kept(plan):
    return {group.name: plan.num_kept(group) for group in plan.groups}


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sparsity": 0.5, "max_macs": 9}, "Give either `sparsity`"),
        ({"sparsity": 1.0}, r"`sparsity` must be a float in \[0, 1\)"),
        ({"sparsity": {"stem": 2}}, "must be a float in"),
        ({"sparsity": {"none": 0.5}}, "must name layers with channels"),
        (
            {"sparsity": {"stem": 0.5}, "scope": "global"},
            'must be a float with scope="global"',
        ),
        ({"sparsity": 0.5, "scope": "all"}, "`scope` must be"),
        ({"sparsity": 0.5, "saliency": "l3"}, "`saliency` must be"),
        ({"sparsity": 0.5, "saliency": "taylor"}, "`dataset` must be given"),
        ({"sparsity": 0.5, "multiple_of": 0}, "`multiple_of` must be"),
        ({"sparsity": 0.5, "min_channels": 1.5}, "`min_channels` must be"),
        (
            {"sparsity": 0.5, "max_layer_sparsity": 1},
            "`max_layer_sparsity` must be",
        ),
        ({"sparsity": 0.5, "skip": "none"}, "`skip` names a layer"),
        ({"max_parameters": 1}, "The budget cannot be met"),
    ],
    ids=str,
)
def test_arguments_are_checked(options, match, model):
    with pytest.raises(ValueError, match=match):
        keras_eff.plan_channels(model, verbose=0, **options)


class Own(keras.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (Own, ValueError, "subclassed"),
        (lambda: keras.Sequential([layers.Dense(2)]), ValueError, "built"),
        (lambda: "model", TypeError, "not a Keras 3 model"),
    ],
    ids=["subclassed", "not built", "no model"],
)
def test_only_models_with_a_graph_are_taken(make, error, match):
    with pytest.raises(error, match=match):
        keras_eff.remove_channels(make(), 0.5)


@pytest.mark.parametrize(
    "skip",
    ["residual", ["stem", "residual"], lambda x: x.name == "stem"],
    ids=["name", "list", "predicate"],
)
def test_what_is_skipped_keeps_its_channels(skip, model):
    plan = keras_eff.plan_channels(model, 0.5, skip=skip)
    assert kept(plan) == {"stem": 8, "inner": 8, "head": 4}


def test_a_model_without_silent_channels_is_told_of(model, recwarn):
    smaller = keras_eff.remove_channels(model)
    assert smaller.count_params() == model.count_params()
    told = [str(w.message) for w in recwarn if w.category is UserWarning]
    assert len(told) == 1
    assert told[0].startswith("No channel of the model is silent")


def test_a_class_is_skipped(model):
    plan = keras_eff.plan_channels(model, 0.5, skip=layers.Conv2D)
    assert not plan.removed


@pytest.mark.parametrize(
    "skip", ["norm", "depthwise", layers.BatchNormalization], ids=str
)
def test_what_channels_pass_through_can_be_skipped(skip):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(8, 3, name="first"),
            layers.BatchNormalization(name="norm"),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.Conv2D(4, 1, name="second"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, name="head"),
        ]
    )
    plan = keras_eff.plan_channels(model, 0.5, skip=skip)
    assert kept(plan) == {"first": 8, "second": 2, "head": 2}


def test_a_dict_gives_each_layer_its_share(model):
    plan = keras_eff.plan_channels(model, {"inner": 0.25, "residual": 0.5})
    assert kept(plan) == {"stem": 4, "inner": 12, "head": 4}


def test_counts_are_rounded_to_what_is_asked_for(model):
    plan = keras_eff.plan_channels(model, 0.6, multiple_of=4, min_channels=6)
    assert kept(plan) == {"stem": 8, "inner": 8, "head": 4}


def test_a_budget_is_met_with_what_it_needs(model):
    most = model.count_params() // 2
    plan = keras_eff.plan_channels(model, max_parameters=most, verbose=0)
    assert 0.8 * most < plan.num_parameters <= most


TIMES = "median_ms mean_ms min_ms p5_ms p95_ms std_ms init_ms"


@only_tensorflow
def test_latency_is_measured_by_the_runner(model):
    sizes = []

    def runner(path, num_threads, num_runs):
        sizes.append(os.path.getsize(path))
        times = dict.fromkeys(TIMES.split(), sizes[-1] / 1000)
        return keras_eff.latency.Latency(
            **times,
            num_runs=num_runs,
            num_threads=num_threads,
            peak_memory_mb=None,
            runner="stub",
            device="none",
        )

    plan = keras_eff.plan_channels(
        model, max_latency_ms=1e9, runner=runner, verbose=0
    )
    assert not plan.removed
    (whole,) = sizes
    limit = 0.8 * whole / 1000
    plan = keras_eff.plan_channels(
        model, max_latency_ms=limit, runner=runner, verbose=0
    )
    assert plan.removed
    highest = keras_eff.plan_channels(model, 0.9)
    assert plan.num_parameters > highest.num_parameters


def test_the_smaller_model_trains_and_is_saved(model, tmp_path):
    smaller = keras_eff.remove_channels(model, 0.5)
    smaller.compile("sgd", "mse", jit_compile=False)
    before = smaller.get_weights()[0]
    smaller.fit(X, np.ones((8, 4)), verbose=0)
    assert np.abs(smaller.get_weights()[0] - before).max() > 0
    smaller.save(tmp_path / "smaller.keras")
    loaded = keras.models.load_model(tmp_path / "smaller.keras")
    np.testing.assert_allclose(loaded(X), smaller(X), rtol=1e-5, atol=1e-6)


@only_tensorflow
def test_the_smaller_model_is_quantized_and_exported(model, tmp_path):
    smaller = keras_eff.remove_channels(model, 0.5)
    quantized = keras_eff.quantize(smaller)
    keras_eff.calibrate(quantized, X)
    path = tmp_path / "smaller.tflite"
    keras_eff.export.to_tflite(quantized, path)
    found = keras_eff.export.inspect(path)
    assert found.size_bytes > 0
    np.testing.assert_allclose(quantized(X), smaller(X), atol=0.1)


def test_the_model_is_left_as_it_was(model):
    before = model.get_weights()
    keras_eff.remove_channels(model, 0.5)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
