import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.layers.linear_recurrence import LinearRecurrence

DIRECTIONS = pytest.mark.parametrize("reverse", [False, True])
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def data(length=6):
    generator = np.random.default_rng(0)
    decays = generator.uniform(size=(2, length, 3)).astype("float32")
    inputs = generator.normal(size=decays.shape).astype("float32")
    return decays, inputs, generator.normal(size=(2, 3)).astype("float32")


def loop(decays, inputs, state, reverse):
    states = np.zeros(inputs.shape)
    steps = range(inputs.shape[1])
    for t in reversed(steps) if reverse else steps:
        state = decays[:, t] * state + inputs[:, t]
        states[:, t] = state
    return states


def made_model(length=6, **options):
    shapes = [(length, 3), (length, 3), (3,)]
    arguments = [keras.Input(shape) for shape in shapes]
    outputs = LinearRecurrence(**options)(*arguments)
    assert outputs.shape == (None, length, 3)
    return keras.Model(arguments, outputs)


@DIRECTIONS
def test_states_equal_a_loop_from_zero(reverse):
    decays, inputs, _ = data()
    states = ops.convert_to_numpy(LinearRecurrence(reverse)(decays, inputs))
    np.testing.assert_allclose(
        states, loop(decays, inputs, 0, reverse), **CLOSE
    )


@DIRECTIONS
@pytest.mark.parametrize("length", [1, 2, 6])
def test_the_initial_state_is_the_one_before_the_first_step(length, reverse):
    decays, inputs, state = data(length)
    layer = LinearRecurrence(reverse)
    states = layer(decays, inputs, initial_state=state)
    expected = loop(decays, inputs, state, reverse)
    np.testing.assert_allclose(ops.convert_to_numpy(states), expected, **CLOSE)


def test_no_steps_have_no_states():
    states = LinearRecurrence()(*data(0))
    assert tuple(states.shape) == (2, 0, 3)


@DIRECTIONS
@pytest.mark.parametrize("length", [6, None])
def test_a_length_unknown_to_the_model_changes_nothing(length, reverse):
    arrays = data()
    model = made_model(length, reverse=reverse)
    states = model.predict(arrays, verbose=0)
    np.testing.assert_allclose(states, loop(*arrays, reverse), **CLOSE)


def test_it_has_no_weights():
    assert not made_model().weights


def test_training_and_inference_are_alike():
    layer, arrays = LinearRecurrence(), data()
    np.testing.assert_array_equal(
        *(
            ops.convert_to_numpy(layer(*arrays, training=training))
            for training in (False, True)
        )
    )


def test_the_config_round_trip_keeps_the_direction():
    layer = LinearRecurrence(reverse=True, name="backwards")
    clone = LinearRecurrence.from_config(layer.get_config())
    assert clone.get_config() == layer.get_config()
    assert clone.reverse is True


def test_a_saved_model_predicts_the_same(tmp_path):
    model, arrays = made_model(reverse=True), data()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict(arrays, verbose=0), model.predict(arrays, verbose=0)
    )


def test_half_precision_is_that_of_the_policy():
    layer = LinearRecurrence(dtype="mixed_float16")
    symbolic = layer(*(keras.Input((6, 3)) for _ in range(2)))
    states = layer(*data())
    assert symbolic.dtype == "float16"
    assert keras.backend.standardize_dtype(states.dtype) == "float16"
    expected = loop(*data(), reverse=False)
    states = ops.convert_to_numpy(states).astype("float32")
    np.testing.assert_allclose(states, expected, atol=0.02)
