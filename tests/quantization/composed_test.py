import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

import keras_eff
from keras_eff.graph.book import kind_of
from keras_eff.graph.walk import calls
from keras_eff.layers import QRNN
from keras_eff.layers import DepthwiseSeparable
from keras_eff.layers import LocalProjectedAttention
from keras_eff.layers import ProjectionLayer
from keras_eff.layers import TransformedWeights
from keras_eff.quantization.expansion import expand

LENGTH = 10


def model_of(*stack):
    """A model of ids, of which 0 is padding, a dense layer, and these."""
    inputs = keras.Input((LENGTH,), dtype="int32")
    takes_mask = not isinstance(stack[0], DepthwiseSeparable)
    outputs = ProjectionLayer(8, mask_padding=takes_mask)(inputs)
    outputs = layers.Dense(6)(outputs)
    for layer in stack:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


@pytest.fixture(scope="module")
def ids():
    """Rows with padding at the end, at the beginning, inside, everywhere."""
    generator = np.random.default_rng(0)
    values = generator.integers(1, 1000, (6, LENGTH)).astype("int32")
    values[1, 7:] = values[2, :3] = values[3, 4:6] = values[4] = 0
    return values


STACKS = {
    "qrnn": lambda: [QRNN(4)],
    "qrnn_sequences": lambda: [QRNN(4, 3, "ifo", True, go_backwards=True)],
    "bidirectional": lambda: [layers.Bidirectional(QRNN(4, pooling="f"))],
    "bidirectional_sequences": lambda: [
        layers.Bidirectional(QRNN(4, return_sequences=True)),
        layers.Bidirectional(QRNN(4), merge_mode="sum"),
    ],
    "separable": lambda: [DepthwiseSeparable(4, 3)],
    "attention": lambda: [LocalProjectedAttention(2, 3, group_size=3)],
    "attention_then_qrnn": lambda: [LocalProjectedAttention(2, 3), QRNN(4)],
}


def predictions(model, inputs):
    return model.predict(inputs, verbose=0)


def operations_of(model):
    return [node.operation for node, _ in calls(model)]


@pytest.mark.parametrize("name", STACKS)
def test_an_expanded_layer_computes_the_same(name, ids):
    model = model_of(*STACKS[name]())
    expanded, _ = expand(model)
    kinds = {kind_of(x) for x in operations_of(expanded)}
    assert not kinds & {"composed", "recurrence", "local_attention"}
    # Before calibration, only fixed ranges round, and scores are in 8 bits.
    np.testing.assert_allclose(
        predictions(expanded, ids), predictions(model, ids), atol=0.04
    )


@pytest.mark.parametrize("name", STACKS)
def test_all_of_it_becomes_integers(name, ids):
    model = model_of(*STACKS[name]())
    assert keras_eff.coverage(model).floats == {}
    quantized = keras_eff.calibrate(keras_eff.quantize(model), ids)
    expected = predictions(model, ids)
    np.testing.assert_allclose(
        predictions(quantized, ids), expected, atol=0.06 * np.ptp(expected)
    )


@pytest.mark.parametrize("name", ["qrnn", "attention"])
def test_a_quantized_model_trains_and_loads(name, ids, tmp_path):
    model = keras_eff.quantize(model_of(*STACKS[name]()))
    model.compile("sgd", "mse", jit_compile=False)
    model.fit(ids, np.ones(model.compute_output_shape(ids.shape)), verbose=0)
    assert all(
        (np.asarray(weight) != 0).any() for weight in model.trainable_weights
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        predictions(loaded, ids), predictions(model, ids)
    )


@pytest.mark.parametrize("name", STACKS)
def test_its_weights_can_be_pruned(name, ids):
    model = model_of(*STACKS[name]())
    pruned = keras_eff.prune(model, schedule=None, skip=())
    np.testing.assert_allclose(
        predictions(pruned, ids), predictions(model, ids), atol=1e-5
    )
    wrapped = [x for x in pruned.layers if isinstance(x, TransformedWeights)]
    kernels = [x for x in model.trainable_weights if "kernel" in x.path]
    assert len(wrapped) == len(kernels)


def test_masked_steps_stay_masked_behind_it(ids):
    model = model_of(LocalProjectedAttention(2, 3), QRNN(4))
    expanded, _ = expand(model)
    shorter = ids.copy()
    shorter[:, 8:] = 0
    np.testing.assert_allclose(
        predictions(expanded, shorter), predictions(model, shorter), atol=0.03
    )


def test_zoneout_is_kept_for_training():
    inputs = keras.Input((LENGTH, 3))
    outputs = QRNN(4, zoneout=0.5, seed=0, return_sequences=True)(inputs)
    expanded, _ = expand(keras.Model(inputs, outputs))
    x = np.random.default_rng(0).normal(size=(1, LENGTH, 3))
    kept = ops.convert_to_numpy(expanded(x, training=True))
    plain = ops.convert_to_numpy(expanded(x, training=False))
    assert not np.allclose(kept, plain)


def test_a_shared_layer_stays_shared():
    shared = QRNN(4)
    inputs = [keras.Input((LENGTH, 3)) for _ in range(2)]
    model = keras.Model(inputs, shared(inputs[0]) + shared(inputs[1]))
    expanded, _ = expand(model)
    assert len(expanded.trainable_weights) == len(model.trainable_weights)


def test_the_old_layer_is_left_as_it_was():
    layer = QRNN(4)
    inputs = keras.Input((LENGTH, 3))
    expand(keras.Model(inputs, layer(inputs)))
    with pytest.raises((AttributeError, ValueError), match="never been"):
        _ = layer.convolution.output


def test_states_in_and_out_are_kept():
    inputs = keras.Input((5, 3))
    states = [keras.Input((4,)), keras.Input((1, 3))]
    layer = QRNN(4, return_sequences=True, return_state=True)
    model = keras.Model([inputs, *states], layer(inputs, initial_state=states))
    expanded, _ = expand(model)
    generator = np.random.default_rng(0)
    values = [generator.normal(size=(2, *x.shape[1:])) for x in model.inputs]
    for found, expected in zip(
        predictions(expanded, values), predictions(model, values), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=0.02)


@pytest.mark.parametrize(
    "layer",
    [
        QRNN(4, stateful=True),
        layers.Bidirectional(layers.LSTM(4)),
        layers.Bidirectional(QRNN(4, stateful=True)),
    ],
    ids=["stateful", "bidirectional lstm", "bidirectional stateful"],
)
def test_other_recurrent_layers_stay_float(layer):
    inputs = keras.Input((LENGTH, 3), batch_size=2)
    model = keras.Model(inputs, layer(inputs))
    assert list(keras_eff.coverage(model).floats) == [layer.name]


def test_a_dynamic_length_stays_float():
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, QRNN(4)(inputs))
    floats = keras_eff.coverage(model).floats
    assert list(floats.values()) == ["LinearRecurrence"]


def test_a_skipped_layer_is_not_taken_apart():
    inputs = keras.Input((LENGTH, 3))
    model = keras.Model(inputs, QRNN(4, name="memory")(inputs))
    assert keras_eff.coverage(model, skip="memory").floats == {
        "memory": "skipped"
    }


def test_a_bidirectional_layer_flips_nothing(ids):
    model = model_of(*STACKS["bidirectional_sequences"]())
    expanded, _ = expand(model)
    outputs = {kind_of(x) for x in operations_of(expanded)}
    # What is left flips masks, which nothing reads.
    flips = [x for x in operations_of(expanded) if kind_of(x) == "flip"]
    assert all(x.output.dtype == "bool" for x in flips)
    assert "multiply" in outputs


def test_masks_of_joined_sequences_are_no_floats(ids):
    inputs = keras.Input((LENGTH,), dtype="int32")
    features = ProjectionLayer(8)(inputs)
    halves = [layers.Dense(3)(features) for _ in range(2)]
    joined = layers.Concatenate()(halves)
    model = keras.Model(inputs, QRNN(4)(joined))
    assert keras_eff.coverage(model).floats == {}


def test_a_cast_to_the_same_type_is_dropped():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, ops.cast(inputs, "float32") * 2.0)
    expanded, _ = expand(model)
    assert [kind_of(x) for x in operations_of(expanded)] == ["multiply"]
