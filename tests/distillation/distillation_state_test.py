import keras
import numpy as np

from keras_eff.distillation.distillation_state import DistillationState


def results(state):
    return {name: float(mean) for name, mean in state.result().items()}


def reported(num_losses=1):
    state = DistillationState(num_losses)
    state.is_reported = True
    return state


def test_results_are_means_of_samples_since_the_last_reset():
    state = reported()
    assert results(state) == {"student_loss": 0.0, "distillation_loss": 0.0}
    state.record(1.0, 4.0, 2.0)
    state.record(2.0, 6.0, 2.0)
    assert results(state) == {"student_loss": 1.5, "distillation_loss": 5.0}
    state.record(4.0, 0.0, 1.0)
    # A batch, or a replica, may have none.
    state.record(0.0, 0.0, 0.0)
    assert results(state) == {"student_loss": 2.0, "distillation_loss": 4.0}
    state.reset_state()
    state.record(3.0, 0.0, 1.0)
    assert results(state) == {"student_loss": 3.0, "distillation_loss": 0.0}


def test_it_says_nothing_unless_it_is_asked_to():
    state = DistillationState(1)
    state.record(1.0, 4.0, 2.0)
    assert state.result() == {}


def test_a_step_may_update_it_as_any_metric():
    state = reported()
    state.record(1.0, 4.0, 2.0)
    state.update_state(np.ones(3), np.ones((3, 2)), sample_weight=None)
    assert results(state) == {"student_loss": 1.0, "distillation_loss": 4.0}


def test_weights_and_connectors_survive_a_reset():
    state = reported(num_losses=2)
    state.set_weights_of_epoch(0.25, [1.0, 0.5])
    kernel = state.add("ones", (2, 3))
    state.reset_state()
    assert float(state.student_weight) == 0.25
    np.testing.assert_array_equal(state.loss_weights, [1.0, 0.5])
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(kernel), np.ones((2, 3))
    )


def test_its_variables_are_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        state = DistillationState(1)
        state.add("zeros", (2,))
    finally:
        keras.config.set_dtype_policy("float32")
    assert {v.dtype for v in state.variables} == {"float32"}
