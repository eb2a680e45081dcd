import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_eff
from keras_eff.quantization.coverage import coverage


def chain(*functions, shape=(6, 6, 4)):
    x = inputs = keras.Input(shape)
    for function in functions:
        x = function(x)
    return keras.Model(inputs, x)


def test_operations_with_an_integer_kernel_are_counted_once():
    shared = layers.Conv2D(4, 3, padding="same", name="conv")
    model = chain(shared, layers.ReLU(name="relu"), shared, ops.tanh)
    result = coverage(model)
    assert result.floats == {}
    assert result.integer == ("conv", "relu", model.operations[-1].name)
    assert str(result) == (
        "3 of 3 operations in integers, 1.000 of the weights, 1.000 of the MACs"
    )


def test_operations_that_stay_float_are_named_with_the_reason():
    model = chain(
        layers.Conv2D(4, 3, name="conv"),
        layers.LayerNormalization(name="norm"),
        layers.Activation("elu", name="elu"),
        layers.Conv2D(4, 3, name="last"),
    )
    result = coverage(model, skip="last")
    assert result.integer == ("conv",)
    assert result.floats == {
        "norm": "LayerNormalization",
        "elu": "elu",
        "last": "skipped",
    }
    # At 4 x 4 and 2 x 2 places.
    assert result.weights_share == 0.5 and result.macs_share == 0.8
    assert str(result).splitlines() == [
        "1 of 4 operations in integers, 0.500 of the weights, "
        "0.800 of the MACs",
        "stays float  weights   MACs  because",
        "norm           0.000  0.000  LayerNormalization",
        "elu            0.000  0.000  elu",
        "last           0.500  0.200  skipped",
    ]


def test_masked_layers_are_named_as_such():
    ids = keras.Input((5,), dtype="int32")
    x = layers.Embedding(7, 4, mask_zero=True)(ids)
    pool = layers.GlobalAveragePooling1D(name="pool")
    result = coverage(keras.Model(ids, pool(x)))
    assert result.floats["pool"] == "GlobalAveragePooling1D, masked"


@pytest.mark.parametrize("skip", [(), "a", "norm", "relu", ["a", "norm"]])
def test_a_quantized_model_is_covered_as_the_original(skip):
    model = chain(
        layers.Dense(4, name="a"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(name="relu"),
        layers.Dense(4, activation="tanh"),
        layers.LayerNormalization(),
        layers.SeparableConv2D(4, 3, activation="swish"),
    )
    quantized = keras_eff.quantize(model, skip=skip)
    again = keras_eff.quantize(quantized)
    assert coverage(quantized) == coverage(model, skip=skip)
    assert [x.name for x in again.operations] == [
        x.name for x in quantized.operations
    ]


class Doubled(layers.Layer):
    """A layer that nobody registered."""

    def call(self, x):
        return 2.0 * x


class Cell(layers.Layer):
    """A recurrent cell that nobody registered."""

    state_size = 4
    output_size = 4

    def call(self, x, states):
        return x + states[0], [x + states[0]]


@pytest.mark.parametrize(
    "layer, shape",
    [
        (layers.LayerNormalization(), (6, 4)),
        (layers.GroupNormalization(2), (6, 6, 4)),
        (layers.BatchNormalization(axis=1), (6, 6, 4)),
        (layers.ELU(), (4,)),
        (layers.Activation(lambda x: x * 3.0), (4,)),
        (layers.LSTM(4, dropout=0.1), (6, 4)),
        (layers.GRU(4, return_sequences=True), (6, 4)),
        (layers.Bidirectional(layers.LSTM(4)), (6, 4)),
        (layers.RNN(Cell()), (6, 4)),
        (layers.TimeDistributed(layers.ELU()), (6, 4)),
        (layers.CenterCrop(8, 3), (6, 6, 4)),
        (layers.ConvLSTM1D(4, 3), (5, 6, 4)),
        (layers.Conv3D(4, 2), (4, 4, 4, 2)),
        (layers.EinsumDense("abc,cd->abd", (6, 5)), (6, 4)),
        (layers.MaxPooling2D(data_format="channels_first"), (4, 6, 6)),
        (layers.Lambda(lambda x: ops.exp(x)), (4,)),
        (Doubled(), (4,)),
        (lambda x: layers.Attention()([x, x]), (6, 4)),
        (lambda x: layers.Dot(1)([x, x]), (6, 4)),
        (
            lambda x: layers.MultiHeadAttention(2, 2)(
                x, x, use_causal_mask=True
            ),
            (6, 4),
        ),
        (lambda x: ops.clip(x, 0.25, 1), (4,)),
        (lambda x: ops.cast(x > 0.5, "float32"), (4,)),
        (lambda x: ops.fori_loop(0, 3, lambda i, v: v + 1.0, x), (4,)),
        (lambda x: ops.where(x > 0, x, 0.0), (4,)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_no_rule_knows_stays_float_and_is_named(layer, shape, caplog):
    model = chain(layer, layers.Flatten(), layers.Dense(2), shape=shape)
    with caplog.at_level("WARNING"):
        quantized = keras_eff.quantize(model)
    floats = coverage(model).floats
    assert floats and set(floats) <= {op.name for op in model.operations}
    (record,) = [r for r in caplog.records if "stay float" in r.message]
    assert all(f"{n} ({why})" in record.message for n, why in floats.items())
    inputs = np.random.default_rng(0).uniform(size=(2, *shape))
    inputs = inputs.astype("float32")
    expected = ops.convert_to_numpy(model(inputs))
    tolerance = 0.02 * np.abs(expected).max()
    np.testing.assert_allclose(quantized(inputs), expected, atol=tolerance)


def test_nothing_is_said_when_all_is_integer(caplog):
    with caplog.at_level("WARNING"):
        keras_eff.quantize(chain(layers.Dense(2)))
    assert not caplog.records


def test_a_layer_that_cannot_be_copied_is_named():
    class Holding(layers.Layer):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def call(self, x):
            return self.function(x)

    with pytest.raises(ValueError, match="Layer 'holding' cannot be copied"):
        keras_eff.quantize(chain(Holding(ops.exp)))


def test_a_subclassed_model_is_refused():
    class Subclassed(keras.Model):
        pass

    with pytest.raises(ValueError, match="`keras_eff.coverage` needs"):
        coverage(Subclassed())
