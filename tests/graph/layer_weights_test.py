import warnings

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_eff
from keras_eff.graph.layer_weights import layer_weights

SEQUENCE, IMAGE, VOLUME = (6, 5), (6, 6, 2), (6, 6, 6, 1)
OF_CELL = ["cell.kernel", "cell.recurrent_kernel"]
HEADS = ["query_dense", "key_dense", "value_dense", "output_dense"]


@keras.saving.register_keras_serializable(package="tests")
class Block(layers.Layer):
    """A layer of a caller's own: layers of Keras in it, and its own weight."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._attention = layers.MultiHeadAttention(2, 3)
        self.parts = [layers.Dense(5), layers.Dense(5)]

    def build(self, shape):
        self._attention.build(shape, shape)
        for part in self.parts:
            part.build(shape)
        self.w = self.add_weight(shape=(5, 4), name="w")

    def call(self, x):
        x = self._attention(x, x)
        for part in self.parts:
            x = part(x)
        return x @ self.w


def attend(layer):
    return lambda x: layer(x, x)


CASES = {
    "LSTM": (layers.LSTM(4), SEQUENCE, OF_CELL),
    "SimpleRNN": (layers.SimpleRNN(4, dropout=0.1), SEQUENCE, OF_CELL),
    "RNN": (
        layers.RNN([layers.GRUCell(3), layers.LSTMCell(4)]),
        SEQUENCE,
        [
            f"cell.cells.{i}.{name}"
            for i in (0, 1)
            for name in ("kernel", "recurrent_kernel")
        ],
    ),
    "Bidirectional": (
        layers.Bidirectional(layers.GRU(4)),
        SEQUENCE,
        [
            f"{way}_layer.{name}"
            for way in ("forward", "backward")
            for name in OF_CELL
        ],
    ),
    "TimeDistributed": (
        layers.TimeDistributed(layers.Dense(4)),
        SEQUENCE,
        ["layer.kernel"],
    ),
    "SeparableConv1D": (
        layers.SeparableConv1D(4, 3),
        SEQUENCE,
        ["depthwise_kernel", "pointwise_kernel"],
    ),
    "Conv3D": (layers.Conv3D(4, 3), VOLUME, ["kernel"]),
    "Conv3DTranspose": (layers.Conv3DTranspose(4, 2), VOLUME, ["kernel"]),
    "EinsumDense": (
        layers.EinsumDense("abc,cde->abde", (6, 2, 4)),
        SEQUENCE,
        ["kernel"],
    ),
    "ConvLSTM1D": (layers.ConvLSTM1D(3, 2), IMAGE, OF_CELL),
    "MultiHeadAttention": (
        layers.MultiHeadAttention(2, 3),
        SEQUENCE,
        [f"{name}.kernel" for name in HEADS],
    ),
    "GroupQueryAttention": (
        layers.GroupQueryAttention(3, 4, 2),
        SEQUENCE,
        [f"_{name}.kernel" for name in HEADS],
    ),
    "Block": (
        Block(),
        SEQUENCE,
        [
            *(f"_attention.{name}.kernel" for name in HEADS),
            "parts.0.kernel",
            "parts.1.kernel",
        ],
    ),
}


def model_of(layer, shape):
    inputs = keras.Input(shape)
    called = attend(layer) if "Attention" in type(layer).__name__ else layer
    x = layers.Flatten()(called(inputs))
    return keras.Model(inputs, layers.Dense(2, name="head")(x))


@pytest.mark.filterwarnings("ignore:prune:UserWarning")
@pytest.mark.parametrize("layer, shape, paths", CASES.values(), ids=CASES)
def test_each_kernel_is_pruned_and_the_layer_stays_its_twin(
    layer, shape, paths, tmp_path
):
    assert not layer_weights(layer)
    model = model_of(layer, shape)
    assert [w.path for w in layer_weights(layer)] == paths
    x = np.random.default_rng(0).normal(size=(4, *shape)).astype("float32")
    twin = keras_eff.prune(model, skip="head")
    np.testing.assert_array_equal(*values([twin(x), model(x)]))
    pruned = keras_eff.prune(twin, 0.5, skip="head")
    pruned.compile("adam", "mse", jit_compile=False)
    pruned.fit(x, np.zeros((4, 2)), verbose=0)
    (wrapper,) = [y for y in pruned.layers if hasattr(y, "transforms")]
    for step, path in zip(wrapper.transforms, paths, strict=True):
        assert step.weight_name == path
        assert step.sparsity == pytest.approx(0.5, abs=0.04)
    pruned.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(*values([loaded(x), pruned(x)]))
    found = keras_eff.sparsity(loaded).weights
    assert len({weight.name for weight in found}) == len(found)
    assert sum(w.sparsity > 0.4 for w in found) == len(paths)


def values(tensors):
    return [ops.convert_to_numpy(tensor) for tensor in tensors]


@pytest.mark.parametrize(
    "layer, shape, axes",
    [
        (layers.SeparableConv2D(4, 3), IMAGE, [(-2, -1), (-1,)]),
        (layers.Conv3DTranspose(4, 2), VOLUME, [(-2,)]),
        (
            layers.MultiHeadAttention(2, 3),
            SEQUENCE,
            [(-2, -1), (-2, -1), (-2, -1), (-1,)],
        ),
        (layers.LSTM(4), SEQUENCE, [(-1,), (-1,)]),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_channels_are_those_of_the_outputs(layer, shape, axes):
    model_of(layer, shape)
    assert [w.channel_axes for w in layer_weights(layer)] == axes


def test_blocks_and_groups_need_an_axis_of_inputs_before_the_last():
    layer = layers.MultiHeadAttention(2, 4, name="attention")
    model = model_of(layer, SEQUENCE)
    # Not `pytest.warns`, which raises what others warn of.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pruned = keras_eff.prune(model, 0.5, pattern="2:4", skip="head")
    messages = [str(warning.message) for warning in caught]
    assert any("attention (a kernel of several axes" in m for m in messages)
    (step,) = pruned.get_layer("attention").transforms
    assert step.weight_name == "output_dense.kernel" and step.sparsity == 0.5
    model = model_of(layers.Bidirectional(layers.LSTM(4)), SEQUENCE)
    pruned = keras_eff.prune(model, 0.5, block_shape=(1, 2), skip="head")
    assert len(pruned.layers[1].transforms) == 4


def test_integer_and_split_kernels_are_left():
    model = model_of(layers.Dense(8), SEQUENCE)
    model.layers[1].enable_lora(2)
    assert not layer_weights(model.layers[1])
    model = model_of(layers.Dense(8), SEQUENCE)
    model.layers[1].quantize("int8")
    assert not layer_weights(model.layers[1])
