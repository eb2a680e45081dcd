import inspect

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from keras import ops

from keras_eff.layers import QRNN

POOLINGS = ["f", "fo", "ifo"]
UNITS, FEATURES = 3, 2
CLOSE = {"rtol": 1e-5, "atol": 1e-5}

each_pooling = pytest.mark.parametrize("pooling", POOLINGS)
each_window = pytest.mark.parametrize("window", [1, 2, 3])
both_directions = pytest.mark.parametrize("go_backwards", [False, True])
only_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="only a graph of TensorFlow has a dynamic length",
)
properties = hypothesis.settings(
    deadline=None, max_examples=15, derandomize=True
)


def samples(length=7, batch=2, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(batch, length, FEATURES)).astype("float32")


def made(*args, **options):
    """A layer with every weight far from zero."""
    layer = QRNN(UNITS, *args, **options)
    layer.build((2, 7, FEATURES))
    generator = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign(generator.normal(size=weight.shape))
    return layer


def run(layer, x, **options):
    outputs = layer(x, **options)
    return keras.tree.map_structure(ops.convert_to_numpy, outputs)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def loop(layer, x, mask=None, states=None, weights=None):
    """The docstring, step by step: outputs in the order of time, states."""
    batch, length, features = x.shape
    trained = layer.trainable_weights
    kernel, bias = weights or map(ops.convert_to_numpy, trained)
    window, sign = len(kernel), -1 if layer.go_backwards else 1
    mask = np.ones((batch, length), bool) if mask is None else mask
    shapes = (batch, layer.units), (batch, window - 1, features)
    state, seen = states or map(np.zeros, shapes)
    masked = x * mask[..., None]
    parts = [masked, seen] if layer.go_backwards else [seen, masked]
    inputs = np.concatenate(parts, 1)
    outputs = np.zeros((batch, length, layer.units))
    for t in range(length)[::sign]:
        gates = bias + sum(inputs[:, t + k] @ kernel[k] for k in range(window))
        z, *gates = np.split(gates, 1 + len(layer.pooling), axis=-1)
        gates = dict(zip(layer.pooling, map(sigmoid, gates), strict=True))
        f, z = gates["f"], np.tanh(z)
        cell = f * state + gates.get("i", 1 - f) * z
        state = np.where(mask[:, t, None], cell, state)
        outputs[:, t] = gates.get("o", 1.0) * state * mask[:, t, None]
    end = 0 if layer.go_backwards else length
    return outputs, state, inputs[:, end : end + window - 1]


def last_output(layer, outputs, mask):
    """The output of each row's last step that is not masked."""
    expected = np.zeros((len(outputs), layer.units))
    for row, found, places in zip(
        outputs, expected, map(np.flatnonzero, mask), strict=True
    ):
        if len(places):
            found[:] = row[places[0 if layer.go_backwards else -1]]
    return expected


@pytest.mark.parametrize(
    "options",
    [
        {"pooling": "ifo", "return_sequences": True},
        {"window": 3, "pooling": "f", "go_backwards": True, "zoneout": 0.1},
    ],
)
def test_contract(contract, options):
    contract(lambda: QRNN(UNITS, **options), (4, FEATURES))


@each_pooling
@each_window
@both_directions
def test_outputs_and_states_equal_a_loop(window, pooling, go_backwards):
    layer = made(
        window,
        pooling,
        return_sequences=True,
        return_state=True,
        go_backwards=go_backwards,
    )
    x = samples()
    outputs, state, *seen = run(layer, x)
    expected, expected_state, expected_seen = loop(layer, x)
    order = -1 if go_backwards else 1
    np.testing.assert_allclose(outputs, expected[:, ::order], **CLOSE)
    np.testing.assert_allclose(state, expected_state, **CLOSE)
    assert len(seen) == (window > 1)
    if seen:
        np.testing.assert_array_equal(seen[0], np.float32(expected_seen))


@both_directions
def test_without_return_sequences_the_last_output_is_returned(go_backwards):
    x = samples()
    layer = made(go_backwards=go_backwards)
    expected, *_ = loop(layer, x)
    expected = expected[:, 0 if go_backwards else -1]
    np.testing.assert_allclose(run(layer, x), expected, **CLOSE)


def test_activations_are_those_of_the_arguments():
    layer = made(
        pooling="ifo",
        return_sequences=True,
        activation="relu",
        recurrent_activation="hard_sigmoid",
    )
    twin = made(
        pooling="ifo",
        return_sequences=True,
        activation=keras.activations.relu,
        recurrent_activation=keras.activations.hard_sigmoid,
    )
    x = samples()
    np.testing.assert_array_equal(run(layer, x), run(twin, x))
    assert (run(layer, x) != run(made(pooling="ifo"), x)[:, None]).any()
    layer.activation = layer.recurrent_activation = ops.zeros_like
    assert not run(layer, x).any()


@both_directions
def test_backwards_is_forwards_on_the_reversed_with_reversed_taps(go_backwards):
    layer = made(3, return_sequences=True, go_backwards=go_backwards)
    other = made(3, return_sequences=True, go_backwards=not go_backwards)
    kernel, bias = layer.get_weights()
    other.set_weights([kernel[::-1], bias])
    x = samples()
    np.testing.assert_allclose(run(layer, x), run(other, x[:, ::-1]), **CLOSE)


def test_it_is_called_as_an_lstm():
    found, expected = (
        [
            (parameter.name, parameter.default, parameter.kind)
            for parameter in inspect.signature(layer.call).parameters.values()
        ]
        for layer in (QRNN, keras.layers.LSTM)
    )
    assert found == expected


@only_tensorflow
def test_a_model_has_a_loop_only_if_the_length_is_dynamic():
    import tensorflow as tf

    def operations(length):
        spec = tf.TensorSpec((None, length, FEATURES))
        graph = tf.function(made()).get_concrete_function(spec)
        return {operation.type for operation in graph.graph.get_operations()}

    assert not {"While", "StatelessWhile"} & operations(20)
    assert {"While", "StatelessWhile"} & operations(None)


@both_directions
@pytest.mark.parametrize("return_sequences", [False, True])
def test_a_length_unknown_to_the_model_changes_nothing(
    return_sequences, go_backwards
):
    layer = made(
        3, return_sequences=return_sequences, go_backwards=go_backwards
    )
    inputs = keras.Input((None, FEATURES))
    mask = keras.Input((None,), dtype="bool")
    outputs = [layer(inputs), layer(inputs, mask=mask)]
    model = keras.Model([inputs, mask], outputs)
    for length in (9, 4):
        x = samples(length)
        mask = np.random.default_rng(0).random((2, length)) > 0.3
        plain, masked = model.predict([x, mask], verbose=0)
        np.testing.assert_allclose(plain, run(layer, x), **CLOSE)
        np.testing.assert_allclose(masked, run(layer, x, mask=mask), **CLOSE)


@only_tensorflow
@both_directions
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_length_unknown_to_the_graph_changes_nothing(
    jit_compile, return_sequences, go_backwards
):
    import tensorflow as tf

    layer = made(
        return_sequences=return_sequences,
        return_state=True,
        go_backwards=go_backwards,
    )
    function = tf.function(
        lambda x: layer(x),
        input_signature=[tf.TensorSpec((None, None, FEATURES))],
        jit_compile=jit_compile,
    )
    for length in (1, 2, 7):
        x = samples(length)
        for found, expected in zip(function(x), run(layer, x), strict=True):
            np.testing.assert_allclose(found.numpy(), expected, **CLOSE)


def test_compiled_by_xla_or_not_is_the_same():
    layer = made(pooling="ifo", return_sequences=True)
    x = samples()
    found = []
    for jit_compile in (False, True):
        model = keras.Sequential([keras.Input((7, FEATURES)), layer])
        model.compile("sgd", "mse", jit_compile=jit_compile)
        found.append(model.predict(x, verbose=0))
        np.testing.assert_allclose(found[-1], loop(layer, x)[0], **CLOSE)
    np.testing.assert_allclose(*found, **CLOSE)


@each_window
@both_directions
@pytest.mark.parametrize("length", [0, 1])
def test_short_sequences_equal_a_loop(length, window, go_backwards):
    options = {"return_state": True, "go_backwards": go_backwards}
    x = samples(length)
    outputs, state, *_ = run(made(window, return_sequences=True, **options), x)
    layer = made(window, **options)
    expected, expected_state, _ = loop(layer, x)
    np.testing.assert_allclose(outputs, expected, **CLOSE)
    np.testing.assert_allclose(state, expected_state, **CLOSE)
    expected = expected.sum(axis=1)
    np.testing.assert_allclose(run(layer, x)[0], expected, **CLOSE)


@each_window
def test_no_steps_leave_the_states_as_they_were(window):
    layer = made(window, return_state=True)
    states = run(layer, samples())[1:]
    after = run(layer, samples(0), initial_state=states)[1:]
    for found, expected in zip(after, states, strict=True):
        np.testing.assert_array_equal(found, expected)


@each_window
@both_directions
def test_the_returned_states_continue_a_sequence(window, go_backwards):
    layer = made(
        window,
        return_sequences=True,
        return_state=True,
        go_backwards=go_backwards,
    )
    x = samples()
    whole = run(layer, x)
    # The second part is shorter than the longest window.
    first, second = (
        (x[:, 1:], x[:, :1]) if go_backwards else (x[:, :6], x[:, 6:])
    )
    before, *states = run(layer, first)
    after = run(layer, second, initial_state=states)
    outputs = np.concatenate([before, after[0]], axis=1)
    for found, expected in zip((outputs, *after[1:]), whole, strict=True):
        np.testing.assert_allclose(found, expected, **CLOSE)


@both_directions
def test_the_initial_state_equals_that_of_a_loop(go_backwards):
    layer = made(3, return_sequences=True, go_backwards=go_backwards)
    generator = np.random.default_rng(3)
    states = [
        generator.normal(size=shape).astype("float32")
        for shape in [(2, UNITS), (2, 2, FEATURES)]
    ]
    x = samples()
    expected, *_ = loop(layer, x, states=states)
    found = run(layer, x, initial_state=states)[:, :: -1 if go_backwards else 1]
    np.testing.assert_allclose(found, expected, **CLOSE)
    assert not np.allclose(expected, loop(layer, x)[0])


def test_the_recurrent_state_may_be_given_alone():
    layer = made(return_sequences=True)
    state, x = np.ones((2, UNITS), "float32"), samples()
    states = [state, np.zeros((2, 1, FEATURES), "float32")]
    np.testing.assert_array_equal(
        run(layer, x, initial_state=[state]),
        run(layer, x, initial_state=states),
    )


def test_an_encoder_starts_a_decoder_in_a_model():
    encoder = made(return_state=True)
    decoder = made(return_sequences=True)
    source, target = keras.Input((5, FEATURES)), keras.Input((7, FEATURES))
    _, *states = encoder(source)
    outputs = decoder(target, initial_state=states)
    assert outputs.shape == (None, 7, UNITS)
    model = keras.Model([source, target], outputs)
    x, y = samples(5), samples(7)
    _, *states = loop(encoder, x)
    expected, *_ = loop(decoder, y, states=states)
    np.testing.assert_allclose(
        model.predict([x, y], verbose=0), expected, **CLOSE
    )


def test_steps_of_a_stateful_layer_give_the_whole():
    layer = made(3, stateful=True)
    x = samples()
    expected, *states = loop(layer, x)
    for t in range(x.shape[1]):
        found = run(layer, x[:, t : t + 1])
        np.testing.assert_allclose(found, expected[:, t], **CLOSE)
    for found, state in zip(layer.states, states, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(found), state, **CLOSE)


def test_reset_state_sets_the_states_to_zero():
    layer, x = made(stateful=True), samples()
    first = run(layer, x)
    assert not np.allclose(run(layer, x), first)
    layer.reset_state()
    assert not any(ops.convert_to_numpy(state).any() for state in layer.states)
    np.testing.assert_array_equal(run(layer, x), first)


def test_a_stateful_layer_keeps_its_states_in_float32():
    x, expected = samples(), made(stateful=True)
    layer = made(stateful=True, dtype="mixed_float16")
    run(expected, x), run(layer, x)
    assert {state.dtype for state in layer.states} == {"float32"}
    found = run(layer, x)
    assert found.dtype == "float16"
    np.testing.assert_allclose(found, run(expected, x), atol=0.02)


def test_reset_state_of_a_layer_that_keeps_none_does_nothing():
    layer, x = made(), samples()
    first = run(layer, x)
    layer.reset_state()
    np.testing.assert_array_equal(run(layer, x), first)


def test_an_initial_state_takes_the_place_of_the_one_that_was_kept():
    layer, x = made(1, stateful=True), samples()
    run(layer, x)
    zeros = np.zeros((2, UNITS), "float32")
    expected = loop(layer, x)[0][:, -1]
    found = run(layer, x, initial_state=zeros)
    np.testing.assert_allclose(found, expected, **CLOSE)


def test_a_stateful_model_keeps_its_states_in_predict_and_in_a_file(tmp_path):
    layer = made(stateful=True)
    inputs = keras.Input((7, FEATURES), batch_size=2)
    model = keras.Model(inputs, layer(inputs))
    x = samples()
    _, *states = loop(layer, x)
    model.predict(x, verbose=0)
    for found, state in zip(layer.states, states, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(found), state, **CLOSE)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = loop(layer, x, states=states)[0][:, -1]
    np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, **CLOSE)


@both_directions
def test_a_stateful_layer_keeps_the_state_at_masked_steps(go_backwards):
    layer = made(2, stateful=True, go_backwards=go_backwards)
    x, mask = samples(), np.zeros((2, 7), bool)
    run(layer, x)
    state = ops.convert_to_numpy(layer.states[0])
    assert not run(layer, x, mask=mask).any()
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.states[0]), state)


masks = st.lists(
    st.lists(st.booleans(), min_size=7, max_size=7), min_size=2, max_size=2
)


@both_directions
@each_pooling
@properties
@hypothesis.given(masks, st.integers(1, 3))
def test_masked_steps_equal_a_loop(pooling, go_backwards, mask, window):
    options = {"go_backwards": go_backwards, "return_state": True}
    x, mask = samples(), np.array(mask)
    layer = made(window, pooling, return_sequences=True, **options)
    outputs, state, *seen = run(layer, x, mask=mask)
    expected, expected_state, expected_seen = loop(layer, x, mask)
    found = outputs[:, ::-1] if go_backwards else outputs
    np.testing.assert_allclose(found, expected, **CLOSE)
    assert not found[~mask].any()
    np.testing.assert_allclose(state, expected_state, **CLOSE)
    for found in seen:
        np.testing.assert_array_equal(found, np.float32(expected_seen))
    layer = made(window, pooling, **options)
    expected = last_output(layer, expected, mask)
    np.testing.assert_allclose(run(layer, x, mask=mask)[0], expected, **CLOSE)


@pytest.mark.parametrize("padding", [(0, 3), (3, 0)], ids=["right", "left"])
@both_directions
@each_window
def test_padding_changes_nothing(window, go_backwards, padding):
    x = samples(4)
    garbage = np.pad(x, ((0, 0), padding, (0, 0)), constant_values=9.0)
    mask = np.pad(np.ones((2, 4), bool), ((0, 0), padding))
    options = {"go_backwards": go_backwards}
    layer = made(window, **options)
    np.testing.assert_allclose(
        run(layer, garbage, mask=mask), run(layer, x), **CLOSE
    )
    layer = made(window, return_sequences=True, **options)
    found = run(layer, garbage, mask=mask)
    found = found[:, mask[0, ::-1] if go_backwards else mask[0]]
    np.testing.assert_allclose(found, run(layer, x), **CLOSE)


@both_directions
def test_a_row_without_steps_has_zeros_and_its_initial_state(go_backwards):
    options = {"return_state": True, "go_backwards": go_backwards}
    mask = np.array([[False] * 7, [True] * 7])
    state = np.full((2, UNITS), 0.3, "float32")
    for return_sequences in (False, True):
        layer = made(return_sequences=return_sequences, **options)
        outputs, after, _ = run(
            layer, samples(), mask=mask, initial_state=state
        )
        assert not outputs[0].any()
        assert outputs[1].any()
        np.testing.assert_array_equal(after[0], state[0])


@both_directions
def test_the_mask_of_an_embedding_is_seen_and_passed_on(go_backwards):
    ids = np.array([[1, 2, 0, 3], [2, 0, 0, 0]])
    embedding = keras.layers.Embedding(4, FEATURES, mask_zero=True)
    layer = made(return_sequences=True, go_backwards=go_backwards)
    tokens = keras.Input((4,), dtype="int32")
    hidden = layer(embedding(tokens))
    outputs = keras.layers.GlobalAveragePooling1D()(hidden)
    found = keras.Model(tokens, outputs).predict(ids, verbose=0)
    x = ops.convert_to_numpy(embedding(ids))
    sums = loop(layer, x, ids > 0)[0].sum(axis=1)
    expected = sums / (ids > 0).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, **CLOSE)


@both_directions
def test_the_mask_comes_in_the_order_of_the_outputs(go_backwards):
    mask = np.array([[True, False, False], [True, True, False]])
    options = {"go_backwards": go_backwards, "return_state": True}
    layer = QRNN(UNITS, return_sequences=True, **options)
    found, *of_states = layer.compute_mask(None, mask)
    expected = mask[:, ::-1] if go_backwards else mask
    np.testing.assert_array_equal(ops.convert_to_numpy(found), expected)
    assert of_states == [None, None]
    assert QRNN(UNITS, **options).compute_mask(None, mask)[0] is None
    assert QRNN(UNITS).compute_mask(None, mask) is None


def test_a_mask_goes_with_an_initial_state():
    x, mask = samples(4), np.array([[True, True, False, True], [True] * 4])
    states = [np.ones((2, UNITS), "float32"), samples(1)]
    layer = made(return_sequences=True)
    found = layer(x, initial_state=states, mask=mask)
    expected, *_ = loop(layer, x, mask, states)
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, **CLOSE)
    mean = keras.layers.GlobalAveragePooling1D()(found)
    expected = expected.sum(axis=1) / mask.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ops.convert_to_numpy(mean), expected, **CLOSE)


def forgotten_everywhere(**options):
    """Without zoneout, a layer whose state is always 1; with, 0 until then."""
    layer = made(1, "f", **options)
    kernel, bias = (np.zeros(weight.shape) for weight in layer.weights[:2])
    bias[:UNITS], bias[UNITS:] = 50.0, -200.0
    layer.weights[0].assign(kernel)
    layer.weights[1].assign(bias)
    return layer


@both_directions
def test_zoneout_keeps_random_units_exactly_and_does_not_scale(go_backwards):
    layer = forgotten_everywhere(
        zoneout=0.5, return_sequences=True, go_backwards=go_backwards
    )
    start = np.full((50, UNITS), 0.3, "float32")
    x = samples(6, batch=50)
    states = run(layer, x, initial_state=start, training=True)
    first = states[:, 0]
    assert set(np.unique(first)) == {np.float32(0.3), np.float32(1.0)}
    assert (first == 1).mean() == pytest.approx(0.5, abs=0.16)
    # A unit that is kept is kept alone, and later ones are drawn anew.
    assert (np.diff(states, axis=1) >= 0).all()
    assert states[:, -1].mean() > first.mean()


@both_directions
def test_zoneout_is_for_training_only(go_backwards):
    options = {"go_backwards": go_backwards, "return_sequences": True}
    x = samples()
    layer, plain = made(zoneout=0.9, **options), made(**options)
    for training in ({}, {"training": False}):
        np.testing.assert_array_equal(run(layer, x, **training), run(plain, x))
    assert not np.allclose(run(layer, x, training=True), run(plain, x))


def test_without_zoneout_training_and_inference_are_alike():
    layer, x = made(pooling="ifo", return_sequences=True), samples()
    np.testing.assert_array_equal(run(layer, x, training=True), run(layer, x))


def test_zoneout_keeps_units_of_ifo_and_adds_their_input():
    layer = made(1, "ifo", zoneout=0.999, return_sequences=True, seed=0)
    kernel, bias = (np.zeros(weight.shape) for weight in layer.weights[:2])
    bias[:UNITS] = 50.0
    layer.weights[0].assign(kernel)
    layer.weights[1].assign(bias)
    states = run(layer, samples(3), training=True)
    # c = c' + i * z, all of them 1/2; h = o * c.
    np.testing.assert_allclose(states[0, :, 0], [0.25, 0.5, 0.75], **CLOSE)


def test_a_seed_repeats_zoneout():
    x = samples()
    first, second, other = (
        run(made(zoneout=0.5, seed=seed), x, training=True)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_zoneout_is_applied_in_fit():
    layer = forgotten_everywhere(zoneout=0.9, seed=0)
    model = keras.Sequential([keras.Input((1, FEATURES)), layer])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x, y = samples(1, batch=40), np.ones((40, UNITS))
    loss = model.fit(x, y, verbose=0).history["loss"][0]
    assert loss == pytest.approx(0.9, abs=0.1)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(0.0)


@pytest.mark.parametrize("merge_mode", ["concat", "sum"])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_bidirectional_is_forward_and_backward(merge_mode, return_sequences):
    layer = QRNN(UNITS, return_sequences=return_sequences)
    both = keras.layers.Bidirectional(layer, merge_mode=merge_mode)
    x = samples()
    mask = np.ones((2, 7), bool)
    mask[0, :3] = mask[1, 2:4] = mask[1, -1] = False
    found = ops.convert_to_numpy(both(x, mask=mask))
    forward = run(both.forward_layer, x, mask=mask)
    backward = run(both.backward_layer, x, mask=mask)
    assert both.backward_layer.go_backwards
    expected, _, _ = loop(both.backward_layer, x, mask)
    if return_sequences:
        backward = backward[:, ::-1]
        np.testing.assert_allclose(backward, expected, **CLOSE)
    merge = {
        "concat": lambda *x: np.concatenate(x, -1),
        "sum": lambda *x: sum(x),
    }[merge_mode]
    np.testing.assert_allclose(found, merge(forward, backward), **CLOSE)


def test_bidirectional_is_configured_saved_and_loaded(tmp_path):
    both = keras.layers.Bidirectional(QRNN(UNITS, 3, "ifo"))
    clone = keras.layers.Bidirectional.from_config(both.get_config())
    assert clone.get_config() == both.get_config()
    embedding = keras.layers.Embedding(4, FEATURES, mask_zero=True)
    model = keras.Sequential(
        [keras.Input((5,), dtype="int32"), embedding, both]
    )
    ids = np.array([[1, 2, 3, 0, 0], [0, 3, 0, 1, 2]])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict(ids, verbose=0), model.predict(ids, verbose=0)
    )


def test_densely_connected_layers_learn_a_task():
    inputs = x = keras.Input((8, FEATURES))
    for _ in range(2):
        hidden = QRNN(6, return_sequences=True, zoneout=0.05)(x)
        x = keras.layers.Concatenate()([x, hidden])
    outputs = keras.layers.Dense(1)(QRNN(6)(x))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.02), "mse", jit_compile=False)
    x = samples(8, batch=64)
    # The difference of two steps, one of them before each window.
    y = x[:, 5, :1] - x[:, 7, :1]
    history = model.fit(x, y, batch_size=64, epochs=40, verbose=0)
    first, *_, last = history.history["loss"]
    assert last < 0.3 * first


@both_directions
@each_pooling
def test_gradients_equal_finite_differences(pooling, go_backwards, gradient):
    layer = made(2, pooling, return_sequences=True, go_backwards=go_backwards)
    x, mask = samples(5), np.random.default_rng(5).random((2, 5)) > 0.3
    factors = np.random.default_rng(6).normal(size=(2, 5, UNITS))
    weights = [w.astype("float64") for w in layer.get_weights()]
    flat = np.concatenate([w.ravel() for w in weights])
    size, shape = weights[0].size, weights[0].shape

    def split(flat):
        return [flat[:size].reshape(shape), flat[size:]]

    def ours(flat):
        parts = [ops.reshape(flat[:size], shape), flat[size:]]
        outputs, _ = layer.stateless_call(parts, [], x, mask=mask)
        flipped = factors[:, ::-1] if go_backwards else factors
        return outputs * flipped.astype("float32")

    def loss(flat):
        outputs, *_ = loop(layer, x, mask, weights=split(flat))
        return (outputs * factors).sum()

    steps = 1e-6 * np.eye(len(flat))
    expected = [(loss(flat + s) - loss(flat - s)) / 2e-6 for s in steps]
    found = gradient(ours, flat.astype("float32"))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_the_gradient_of_the_initial_state_equals_finite_differences(gradient):
    layer = made(return_sequences=True)
    start, x = samples(1, 2), samples(4)
    state = np.full((2, UNITS), 0.3)

    def loss(state):
        return loop(layer, x, states=[state, start])[0].sum()

    def ours(state):
        return layer(x, initial_state=[state, start])

    expected = np.zeros(state.shape)
    for index in np.ndindex(state.shape):
        step = np.zeros(state.shape)
        step[index] = 1e-6
        expected[index] = (loss(state + step) - loss(state - step)) / 2e-6
    found = gradient(ours, state.astype("float32"))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


@each_window
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("stateful", [False, True])
def test_symbolic_shapes_are_those_of_eager_states(
    window, return_sequences, stateful
):
    layer = QRNN(
        UNITS,
        window,
        return_sequences=return_sequences,
        return_state=True,
        stateful=stateful,
    )
    symbolic = layer(keras.Input((7, FEATURES), batch_size=2))
    shapes = [x.shape for x in symbolic]
    assert isinstance(symbolic, tuple)
    assert [tuple(x.shape) for x in layer(samples())] == shapes
    assert list(layer.compute_output_shape((2, 7, FEATURES))) == shapes


@each_pooling
def test_the_convolution_has_all_the_weights(pooling):
    layer = made(3, pooling, zoneout=0.0)
    size = (1 + len(pooling)) * UNITS
    shapes = [weight.shape for weight in layer.weights]
    assert shapes == [(3, FEATURES, size), (size,)]


def test_without_a_bias_there_is_the_kernel_alone():
    layer = made(use_bias=False, return_sequences=True)
    (kernel,) = layer.get_weights()
    x = samples()
    expected, *_ = loop(layer, x, weights=[kernel, 0.0])
    np.testing.assert_allclose(run(layer, x), expected, **CLOSE)


def test_arguments_of_the_weights_reach_them():
    layer = QRNN(
        UNITS,
        kernel_initializer="ones",
        bias_initializer=keras.initializers.Constant(2.0),
        kernel_regularizer=keras.regularizers.L2(0.5),
        bias_constraint="non_neg",
    )
    clone = QRNN.from_config(layer.get_config())
    assert clone.get_config() == layer.get_config()
    clone.build((2, 7, FEATURES))
    kernel, bias = clone.get_weights()
    assert (kernel == 1).all() and (bias == 2).all()
    assert float(clone.losses[0]) == pytest.approx(0.5 * kernel.size)
    bias = clone.weights[1]
    assert isinstance(bias.constraint, keras.constraints.NonNeg)


def test_every_argument_is_in_the_config():
    options = {
        "window": 3,
        "pooling": "ifo",
        "return_sequences": True,
        "return_state": True,
        "go_backwards": True,
        "stateful": True,
        "activation": "relu",
        "recurrent_activation": "hard_sigmoid",
        "use_bias": False,
        "zoneout": 0.25,
        "seed": 7,
    }
    config = QRNN(UNITS, **options).get_config()
    assert options.items() <= config.items()
    parameters = inspect.signature(QRNN).parameters
    assert set(parameters) - {"kwargs"} <= set(config)
    assert QRNN.from_config(config).get_config() == config


def test_a_stateful_layer_needs_a_static_batch_size():
    message = r"needs a static batch size.* Received: .*\(None, 7, 2\)"
    with pytest.raises(ValueError, match=message):
        QRNN(UNITS, stateful=True)(keras.Input((7, FEATURES)))


@pytest.mark.parametrize("window, count", [(1, 2), (2, 3)])
def test_too_many_initial_states_are_refused(window, count):
    states = [np.zeros((2, UNITS), "float32")] * count
    message = f"`initial_state` must .*Received: {count} tensors, with window="
    with pytest.raises(ValueError, match=message):
        made(window)(samples(), initial_state=states)


@pytest.mark.parametrize("pooling", ["of", "", "FO", None])
def test_an_unknown_pooling_is_refused(pooling):
    with pytest.raises(
        ValueError, match="`pooling` must .* Received: pooling="
    ):
        QRNN(UNITS, pooling=pooling)


@pytest.mark.parametrize("name", ["units", "window"])
@pytest.mark.parametrize("value", [0, 2.0])
def test_sizes_are_positive_integers(name, value):
    options = {"units": UNITS, name: value}
    message = f"`{name}` must be (a positive|an) integer.*Received: {name}="
    with pytest.raises(ValueError, match=message):
        QRNN(**options)


@pytest.mark.parametrize("zoneout", [-0.1, 1.0])
def test_zoneout_is_a_float_below_1(zoneout):
    with pytest.raises(ValueError, match=r"float in \[0, 1\). Received: "):
        QRNN(UNITS, zoneout=zoneout)


def test_inputs_have_three_dimensions():
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        QRNN(UNITS)(np.ones((2, 3)))


@pytest.mark.parametrize("window", [1, 2, 3])
def test_it_can_be_built_for_a_single_step(window):
    x = np.ones((2, 1, 3), "float32")
    whole = QRNN(4, window, return_sequences=True)
    assert tuple(whole(x).shape) == (2, 1, 4)
    assert QRNN(4, window)(keras.Input((1, 3))).shape == (None, 4)
