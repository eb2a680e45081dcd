import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_eff.layers import FakeQuant
from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant
from keras_eff.layers.cloning import layers_of
from keras_eff.quantization.calibrate import calibrate
from keras_eff.quantization.quantize import quantize

IMAGE = (8, 8, 3)


@keras.saving.register_keras_serializable(package="keras_eff_tests")
class Counting(keras.Model):
    """A model with a training step of its own."""

    steps = 0

    def train_step(self, *args):
        type(self).steps += 1
        return super().train_step(*args)


def functional(function, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = function(*inputs)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs)


def convnet():
    def block(x):
        x = layers.Conv2D(4, 3, use_bias=False, name="conv")(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization(name="norm")(x))
        x = layers.SeparableConv2D(4, 3, activation="swish", name="sep")(x)
        x = layers.GlobalAveragePooling2D()(x)
        return layers.Dense(3, activation="softmax", name="head")(x)

    return functional(block, IMAGE)


def transformer():
    ids = keras.Input((6,), dtype="int32", name="ids")
    x = layers.Embedding(9, 4, name="table")(ids)
    y = layers.MultiHeadAttention(2, 2, dropout=0.1, name="mha")(x, x)
    x = layers.LayerNormalization(name="norm")(layers.Add()([x, y]))
    y = layers.Dense(8, activation="gelu", name="mlp")(x)
    x = x + layers.Dense(4)(y)
    return keras.Model(ids, layers.Dense(2)(x[:, 0]))


def nested():
    """Two levels of models, each called twice."""
    dense = layers.Dense(4, activation="tanh", name="dense")
    inner = keras.Sequential(
        [keras.Input((4,)), dense, layers.BatchNormalization()], name="inner"
    )
    middle = functional(lambda x: inner(x) + inner(3 - x), (4,))
    middle.name = "middle"
    return functional(lambda a, b: [middle(a), middle(b)], (4,), (4,))


def several():
    """Inputs and outputs in dicts, bare operations."""
    a, b = keras.Input((4, 3), name="a"), keras.Input((4, 3), name="b")
    x = a * np.ones(3, "float32")
    x = ops.concatenate([ops.relu(a + 3), 3 - b, x], axis=-1)
    y = layers.Conv1D(3, 2)(ops.transpose(-x[:, 1:] / 2, (0, 2, 1)))
    total = ops.mean(y, axis=-1)
    return keras.Model({"a": a, "b": b}, {"all": y, "last": total})


MODELS = [convnet, transformer, nested, several]


def samples(model, count=8):
    generator = np.random.default_rng(0)

    def one(x):
        shape = (count, *x.shape[1:])
        if "int" in x.dtype:
            return generator.integers(0, 9, shape)
        return generator.normal(size=shape).astype("float32")

    arrays = {x.name: one(x) for x in model.inputs}
    if isinstance(model.input, dict):
        return arrays
    arrays = list(arrays.values())
    return arrays if len(arrays) > 1 else arrays[0]


def targets(model, inputs):
    return keras.tree.map_structure(
        lambda x: np.zeros(x.shape, "float32"), model(inputs)
    )


def train(model, inputs, outputs, loss="mse"):
    model.compile("sgd", loss, jit_compile=False)
    return model.fit(inputs, outputs, verbose=0).history


def values(structure):
    return [ops.convert_to_numpy(x) for x in keras.tree.flatten(structure)]


def assert_close(first, second, tolerance=0.0):
    for a, b in zip(values(first), values(second), strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance * np.abs(b).max())


def names(model):
    return [op.name for op in model.operations]


@pytest.mark.parametrize("make", MODELS)
def test_the_clone_computes_with_the_weights_of_the_model(make):
    model = make()
    inputs = samples(model)
    quantized = quantize(model)
    keras.tree.assert_same_structure(quantized(inputs), model(inputs))
    assert_close(quantized(inputs), model(inputs), 0.02)
    assert not quantized.compiled


@pytest.mark.parametrize("make", MODELS)
def test_the_clone_trains_and_the_model_is_untouched(make):
    model = make()
    inputs = samples(model)
    outputs, weights = values(model(inputs)), values(model.weights)
    nodes = [len(op._inbound_nodes) for op in model.operations]
    quantized = quantize(model)
    before = values(quantized.trainable_weights)
    train(quantized, inputs, targets(model, inputs))
    assert all(x.calibrated for x in layers_of(quantized, FakeQuant))
    after = values(quantized.trainable_weights)
    assert any((a != b).any() for a, b in zip(after, before, strict=True))
    assert_close(model(inputs), outputs)
    assert_close(model.weights, weights)
    assert [len(op._inbound_nodes) for op in model.operations] == nodes


@pytest.mark.parametrize("make", MODELS)
def test_a_file_restores_predictions_exactly(make, tmp_path):
    model = make()
    inputs = samples(model)
    quantized = calibrate(quantize(model, 4), inputs)
    quantized.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_close(loaded(inputs), quantized(inputs))
    assert_close(calibrate(quantize(loaded, 4), inputs)(inputs), loaded(inputs))


@pytest.mark.parametrize("make", MODELS)
def test_to_quantize_twice_changes_the_width_of_weights_alone(make):
    model = make()
    inputs = samples(model)
    once = calibrate(quantize(model), inputs)
    twice = quantize(once, num_bits=8, activation_bits=4, momentum=0.5)
    assert names(twice) == names(once)
    assert_close(twice(inputs), once(inputs))
    assert {x.num_bits for x in layers_of(twice, FakeQuant)} == {8}
    narrow = quantize(once, num_bits=3)
    assert names(narrow) == names(once)
    steps = layers_of(narrow, WeightFakeQuant)
    assert {step.num_bits for step in steps} == {3}
    assert len(steps) == len(layers_of(once, WeightFakeQuant))
    assert_close(narrow.weights, once.weights)


def test_layers_keep_their_names_weights_and_place():
    model = convnet()
    quantized = quantize(model)
    conv = quantized.get_layer("conv")
    assert isinstance(conv, TransformedWeights)
    assert_close(conv.kernel, model.get_layer("conv").kernel)
    assert isinstance(quantized.get_layer("norm"), layers.BatchNormalization)
    assert quantized.name == model.name


def test_what_is_shared_stays_shared():
    model = nested()
    quantized = quantize(model)
    assert len(layers_of(quantized, layers.Dense)) == 1
    trained = quantized.trainable_weights
    assert len(trained) == len(model.trainable_weights)
    assert len(layers_of(quantized, layers.BatchNormalization)) == 1


def test_a_layer_shared_between_models_stays_shared():
    dense = layers.Dense(4, name="dense")
    inner = keras.Sequential([keras.Input((4,)), dense], name="inner")
    quantized = quantize(functional(lambda x: dense(inner(dense(x))), (4,)))
    copy = quantized.get_layer("dense")
    assert quantized.get_layer("inner").get_layer("dense") is copy
    assert len(quantized.trainable_weights) == 2


def test_frozen_layers_stay_frozen_at_any_depth():
    model = nested()
    model.get_layer("middle").get_layer("inner").trainable = False
    quantized = quantize(model)
    inner = quantized.get_layer("middle").get_layer("inner")
    frozen = inner.get_layer("dense")
    assert not frozen.trainable and not quantized.trainable_weights
    assert all(x.trainable for x in layers_of(quantized, FakeQuant))
    frozen.trainable = True
    assert len(quantized.trainable_weights) == 2


def test_outputs_keep_the_names_that_losses_have():
    def heads(x):
        first = layers.Dense(2, activation="tanh", name="first")(x)
        return [first, layers.Dense(1, name="second")(x)]

    model = functional(heads, (4,))
    quantized = quantize(model)
    assert quantized.output_names == ["first", "second"]
    y = {"first": np.ones((4, 2)), "second": np.ones((4, 1))}
    losses = {"first": "mse", "second": "mae"}
    assert "second_loss" in train(quantized, np.ones((4, 4)), y, losses)


def test_a_training_step_of_the_user_is_kept():
    inputs = keras.Input((4,))
    quantized = quantize(Counting(inputs, layers.Dense(2)(inputs)))
    quantized.compile("sgd", "mse", run_eagerly=True)
    Counting.steps = 0
    quantized.fit(np.ones((4, 4)), np.ones((4, 2)), verbose=0)
    assert Counting.steps == 1


def test_the_policy_of_each_layer_is_kept():
    half = layers.Dense(4, dtype="mixed_float16", activation="tanh", name="a")
    model = functional(lambda x: layers.Dense(2)(half(x)), (4,))
    quantized = quantize(model)
    inner = quantized.get_layer("a").layer
    assert inner.dtype_policy.name == "mixed_float16"
    assert quantized.get_layer("a").output.dtype == "float16"
    assert quantized.outputs[0].dtype == "float32"


@pytest.fixture
def mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


def test_mixed_precision_trains(mixed_precision):
    model = convnet()
    inputs = samples(model)
    quantized = quantize(model)
    assert quantized.outputs[0].dtype == model.outputs[0].dtype == "float16"
    assert_close(quantized(inputs), model(inputs), 0.03)
    train(quantized, inputs, targets(model, inputs))
    assert {w.dtype for w in quantized.trainable_weights} == {"float32"}


def test_the_widths_and_the_momentum_are_those_asked_for():
    quantized = quantize(convnet(), 4, activation_bits=6, momentum=0.5)
    rounds = layers_of(quantized, FakeQuant)
    steps = layers_of(quantized, WeightFakeQuant)
    assert {x.num_bits for x in rounds} == {6}
    assert {x.momentum for x in rounds} == {0.5}
    assert {x.num_bits for x in steps} == {4}
    assert len(steps) == 4


def test_the_input_range_is_fixed():
    rounds = layers_of(quantize(convnet(), input_range=(0, 9)), FakeQuant)
    assert rounds[0].fixed_range == (0.0, 9.0)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_bits": 1}, r"`num_bits` .*\[2, 8\].*num_bits=1"),
        ({"num_bits": 9}, r"`num_bits` .*\[2, 8\].*num_bits=9"),
        ({"activation_bits": 17}, r"`activation_bits` .*\[2, 16\]"),
        ({"momentum": 1.5}, r"`momentum` .*momentum=1.5"),
        ({"input_range": (1, 2)}, r"`input_range` .*input_range=\(1, 2\)"),
        ({"skip": "nothing"}, "`skip` names a layer .*'nothing'"),
    ],
    ids=str,
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        quantize(convnet(), **options)


def test_a_subclassed_model_is_refused():
    class Subclassed(keras.Model):
        pass

    with pytest.raises(ValueError, match=r"`keras_eff.quantize` needs"):
        quantize(Subclassed())
