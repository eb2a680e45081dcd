import keras
import numpy as np
import pytest

from keras_eff.distillation.teacher_function import call_function

X = np.ones((4, 3), "float32")


def in_a_graph(function):
    """Runs it as a compiled train step does."""
    import tensorflow as tf

    spec = tf.TensorSpec((None, 3), tf.float32)
    step = tf.function(lambda x: call_function(function, x), autograph=False)
    return step.get_concrete_function(spec)


@pytest.fixture(autouse=True)
def on_tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("it looks at functions of TensorFlow")


def test_what_can_be_traced_teaches():
    assert call_function(lambda x: 2 * x, X).shape == (4, 3)
    in_a_graph(lambda x: {"a": 2 * x, "b": [x]})


def test_numpy_is_for_stored_outputs():
    with pytest.raises(RuntimeError, match="StoredOutputs.collect.*NotImpl"):
        in_a_graph(lambda x: np.asarray(x) @ np.eye(3))


def test_outputs_of_unknown_shape_are_refused():
    import tensorflow as tf

    def teacher(x):
        return tf.numpy_function(lambda z: z, [x], tf.float32)

    with pytest.raises(RuntimeError, match="StoredOutputs.*of unknown shape"):
        in_a_graph(teacher)


def test_what_are_no_tensors_is_refused():
    with pytest.raises(RuntimeError, match="must return tensors.*builtins.str"):
        call_function(lambda x: "no", X)


def test_an_error_of_the_function_itself_stays_what_it_is():
    def teacher(x):
        raise KeyError("missing")

    with pytest.raises(KeyError, match="missing"):
        call_function(teacher, X)
