import inspect
import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.layers import PrunableConv1D
from keras_eff.layers import PrunableConv2D
from keras_eff.layers import PrunableDense
from keras_eff.layers import PrunableDepthwiseConv2D
from keras_eff.layers import TransformedWeights
from keras_eff.layers.prunable_layers import PrunableLayer
from keras_eff.schedules import ConstantSparsity
from keras_eff.schedules import PolynomialDecay

SCHEDULE = PolynomialDecay(0.0, 0.8, 0, 9)
LAYERS = {
    "dense": (PrunableDense, {"units": 6}, (8,)),
    "conv1d": (PrunableConv1D, {"filters": 6, "kernel_size": 3}, (5, 4)),
    "conv2d": (PrunableConv2D, {"filters": 6, "kernel_size": 2}, (5, 4, 4)),
    "depthwise": (PrunableDepthwiseConv2D, {"kernel_size": 2}, (5, 4, 4)),
}

# What a twin takes too.
OPTIONS = {
    "dense": {"activation": "relu"},
    "conv1d": {"padding": "causal"},
    "conv2d": {"strides": 2, "padding": "same"},
    "depthwise": {"depth_multiplier": 2},
}

each_layer = pytest.mark.parametrize("kind", LAYERS)


def make(kind, **options):
    cls, arguments, _ = LAYERS[kind]
    return cls(**arguments, **options)


def pruned_model(kind, **options):
    """A compiled model of one layer, half of its kernel pruned."""
    layer = make(kind, **options)
    model = keras.Sequential([keras.Input(LAYERS[kind][2]), layer])
    kernel = ops.convert_to_numpy(layer.kernel)
    layer.transforms[0].prune(0.5, np.abs(kernel))
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
    return model


def data(kind):
    x = np.random.default_rng(0).normal(size=(8, *LAYERS[kind][2]))
    return x.astype("float32")


@each_layer
def test_contract(kind, contract):
    schedule = ConstantSparsity(0.5)
    contract(
        lambda: make(
            kind, schedule=schedule, block_shape=(2, 1), **OPTIONS[kind]
        ),
        LAYERS[kind][2],
    )


@each_layer
def test_it_computes_and_trains_as_its_twin(kind, check_twin):
    cls, arguments, shape = LAYERS[kind]

    def make_twin():
        return cls.twin(**arguments, **OPTIONS[kind])

    check_twin(lambda: make(kind, **OPTIONS[kind]), make_twin, shape)


@each_layer
def test_sizes_and_schedule_are_taken_by_place(kind):
    cls, arguments, _ = LAYERS[kind]
    layer = cls(*arguments.values(), SCHEDULE)
    assert layer.schedule == SCHEDULE
    names = [*arguments, "schedule", "pattern", "block_shape", "kwargs"]
    assert list(inspect.signature(cls).parameters) == names
    assert (cls.__name__, cls.__qualname__) == (
        f"Prunable{cls.twin.__name__}",
    ) * 2
    with pytest.raises(TypeError, match=next(iter(arguments))):
        cls()


@each_layer
def test_it_is_a_transformed_layer_with_a_mask(kind):
    layer = make(kind)
    assert isinstance(layer, TransformedWeights)
    assert type(layer.layer) is LAYERS[kind][0].twin
    assert [type(step).__name__ for step in layer.transforms] == ["PruningMask"]


@each_layer
def test_arguments_are_attributes(kind):
    layer = make(kind, schedule=SCHEDULE, block_shape=(4, 1), use_bias=False)
    assert layer.schedule == SCHEDULE
    assert (layer.pattern, layer.block_shape) == ("unstructured", (4, 1))
    for name in LAYERS[kind][1]:
        assert getattr(layer, name) == getattr(layer.layer, name)
    assert layer.use_bias is False
    layer.build((None, *LAYERS[kind][2]))
    assert layer.bias is None
    assert layer.kernel is layer.layer.kernel


@each_layer
def test_the_schedule_may_come_after_the_arguments_of_the_twin(kind):
    cls, arguments, _ = LAYERS[kind]
    assert cls(*arguments.values(), SCHEDULE).schedule is SCHEDULE


@each_layer
def test_it_is_named_after_its_class(kind):
    keras.backend.clear_session()
    layer = make(kind)
    name = type(layer).__name__.removeprefix("Prunable").lower()
    assert layer.name.replace("_", "") == f"prunable{name}"
    assert make(kind, name="mine").name == "mine"


@each_layer
def test_the_config_keeps_everything(kind):
    layer = make(
        kind,
        schedule=SCHEDULE,
        pattern="1:2",
        activation="relu",
        bias_regularizer=keras.regularizers.L2(0.5),
        bias_initializer="ones",
        name="mine",
        trainable=False,
        dtype="mixed_float16",
    )
    config = json.loads(json.dumps(layer.get_config()))
    clone = type(layer).from_config(config)
    assert json.loads(json.dumps(clone.get_config())) == config
    assert (clone.schedule, clone.pattern) == (SCHEDULE, "1:2")
    assert clone.activation is keras.activations.relu
    assert clone.bias_regularizer.l2 == 0.5
    assert (clone.name, clone.trainable) == ("mine", False)
    assert clone.layer.dtype_policy.name == "mixed_float16"


@each_layer
def test_a_file_keeps_masks_and_predictions(kind, tmp_path):
    model = pruned_model(kind, schedule=SCHEDULE, pattern="1:2")
    x = data(kind)
    model.fit(x, model.predict(x, verbose=0) + 1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    (layer,), (original,) = loaded.layers, model.layers
    assert type(layer) is type(original) and layer.name == original.name
    assert layer.schedule == SCHEDULE and layer.pattern == "1:2"
    for ours, theirs in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs)
        )
    np.testing.assert_array_equal(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0)
    )
    assert layer.transforms[0].sparsity == 0.5


@each_layer
@pytest.mark.parametrize("has_dense_gradient", [False, True])
def test_what_a_step_does_to_pruned_weights(kind, has_dense_gradient):
    model = pruned_model(kind)
    (layer,) = model.layers
    mask = ops.convert_to_numpy(layer.transforms[0].mask)
    layer.transforms[0].has_dense_gradient = has_dense_gradient
    before = ops.convert_to_numpy(layer.kernel)
    x = data(kind)
    model.fit(x, model.predict(x, verbose=0) + 1, verbose=0)
    is_moved = ops.convert_to_numpy(layer.kernel) != before
    assert is_moved[mask].all()
    assert (is_moved[~mask] == has_dense_gradient).all()


@each_layer
def test_it_computes_as_its_twin_with_zeros(kind):
    model = pruned_model(kind)
    (layer,) = model.layers
    twin = layer.twin.from_config(layer.layer.get_config())
    twin.build((None, *LAYERS[kind][2]))
    mask = ops.convert_to_numpy(layer.transforms[0].mask)
    twin.kernel.assign(np.where(mask, ops.convert_to_numpy(layer.kernel), 0))
    x = data(kind)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(twin(x)), ops.convert_to_numpy(layer(x))
    )


@each_layer
def test_arguments_are_checked(kind):
    with pytest.raises(ValueError, match="`pattern` must be .*pattern='4:2'"):
        make(kind, pattern="4:2")
    with pytest.raises(ValueError, match="`block_shape` must .*block_shape=4"):
        make(kind, block_shape=4)
    with pytest.raises(TypeError, match="`schedule` must .*schedule=0.5"):
        make(kind, schedule=0.5)


def test_the_base_is_not_public():
    import keras_eff

    assert not hasattr(keras_eff.layers, "PrunableLayer")
    assert issubclass(PrunableDense, PrunableLayer)


def test_a_channel_is_a_unit():
    layer = PrunableDense(4, pattern="channel")
    layer.build((None, 3))
    layer.transforms[0].prune(0.5, np.tile(np.float32([3, 1, 4, 2]), (3, 1)))
    mask = ops.convert_to_numpy(layer.transforms[0].mask)
    assert mask.tolist() == [[True, False, True, False]] * 3


def test_a_block_lies_over_inputs_and_units():
    layer = PrunableDense(2, block_shape=(4, 1))
    layer.build((None, 8))
    saliency = np.float32([[1, 2]] * 4 + [[4, 3]] * 4)
    layer.transforms[0].prune(0.25, saliency)
    mask = ops.convert_to_numpy(layer.transforms[0].mask)
    assert mask.tolist() == [[False, True]] * 4 + [[True, True]] * 4


def test_n_of_m_lie_along_the_input_channels():
    layer = PrunableConv1D(5, 3, pattern="1:2")
    layer.build((None, 6, 4))
    saliency = np.random.default_rng(0).random((3, 4, 5), "float32")
    layer.transforms[0].prune(0.5, saliency)
    mask = ops.convert_to_numpy(layer.transforms[0].mask)
    pairs = saliency.reshape(3, 2, 2, 5)
    expected = pairs == pairs.max(axis=2, keepdims=True)
    np.testing.assert_array_equal(mask, expected.reshape(3, 4, 5))


def test_a_channel_is_a_filter():
    layer = PrunableConv2D(4, 3, pattern="channel")
    layer.build((None, 6, 5, 2))
    saliency = np.random.default_rng(0).random((3, 3, 2, 4), "float32")
    saliency[..., [1, 2]] += 1
    layer.transforms[0].prune(0.5, saliency)
    mask = ops.convert_to_numpy(layer.transforms[0].mask)
    expected = np.broadcast_to([False, True, True, False], mask.shape)
    np.testing.assert_array_equal(mask, expected)
    outputs = ops.convert_to_numpy(layer(np.ones((1, 6, 5, 2))))
    assert ((outputs == 0).all(axis=(0, 1, 2)) == ~expected[0, 0, 0]).all()


def test_a_channel_is_a_window_of_one_input_and_multiplier():
    layer = PrunableDepthwiseConv2D(3, pattern="channel", depth_multiplier=2)
    layer.build((None, 6, 5, 2))
    saliency = np.float32([[1, 4], [3, 2]]) * np.ones((3, 3, 1, 1), "float32")
    layer.transforms[0].prune(0.5, saliency)
    mask = ops.convert_to_numpy(layer.transforms[0].mask)
    expected = np.broadcast_to([[False, True], [True, False]], mask.shape)
    np.testing.assert_array_equal(mask, expected)
