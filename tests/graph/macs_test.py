import keras
import pytest
from keras import layers

import keras_eff
from keras_eff.graph.macs import kernels_in
from keras_eff.graph.macs import weight_uses


def macs(model, layer):
    """Those of all kernels of a layer."""
    uses = weight_uses(model)
    sizes = [(keras.ops.size(v), uses[id(v)]) for v in kernels_in(layer)]
    return sum(int(size) * count for size, count in sizes)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (layers.Dense(3), (5, 4), 5 * 4 * 3),
        (layers.Conv2D(3, 2), (5, 6, 4), 4 * 5 * 2 * 2 * 4 * 3),
        (layers.Conv2D(4, 2, groups=2), (5, 6, 4), 4 * 5 * 2 * 2 * 2 * 4),
        (
            layers.Conv2D(3, 2, data_format="channels_first"),
            (4, 5, 6),
            4 * 5 * 2 * 2 * 4 * 3,
        ),
        (layers.Conv1DTranspose(3, 2, strides=2), (5, 4), 5 * 2 * 4 * 3),
        (layers.DepthwiseConv1D(2), (5, 4), 4 * 2 * 4),
        (layers.SeparableConv1D(3, 2), (5, 4), 4 * (2 * 4 + 4 * 3)),
        (layers.LSTM(3), (5, 4), 5 * (4 + 3) * 4 * 3),
        (layers.Bidirectional(layers.GRU(3)), (5, 4), 2 * 5 * (4 + 3) * 9),
        (layers.EinsumDense("abc,cd->abd", (None, 3)), (5, 4), 5 * 4 * 3),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_kernel_is_used_once_at_each_position(layer, shape, expected):
    model = keras.Sequential([keras.Input(shape), layer])
    assert macs(model, layer) == expected


def test_an_embedding_is_looked_up():
    embedding = layers.Embedding(9, 4)
    model = keras.Sequential([keras.Input((5,), dtype="int32"), embedding])
    assert macs(model, embedding) == 0


def test_each_call_counts_those_in_nested_models_too():
    shared = layers.Dense(4)
    inputs = keras.Input((4,))
    inner = keras.Sequential([keras.Input((4,)), shared])
    model = keras.Model(inputs, inner(inner(shared(inputs))))
    assert macs(model, shared) == 3 * 16


def test_masks_and_rounding_do_not_count():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    pruned = keras_eff.quantize(keras_eff.prune(model, 0.5, skip=()))
    assert sum(macs(pruned, layer) for layer in pruned.layers) == 12
