import keras
import numpy as np
import tensorflow as tf

from keras_eff.export.random_draws import with_stored_draws

SPECS = [tf.TensorSpec((2, 3), "float32")]


def function(compute):
    return tf.function(compute, input_signature=SPECS, autograph=False)


def kinds(function):
    graph = function.get_concrete_function().graph
    return {operation.type for operation in graph.get_operations()}


def test_what_draws_nothing_is_the_same_function():
    plain = function(lambda x: [x + 1.0])
    assert with_stored_draws(plain, SPECS) is plain


def test_draws_are_constants_and_variables_stay_variables():
    seed, weight = keras.random.SeedGenerator(3), tf.Variable([[2.0]])

    def draws(x):
        noise = keras.random.normal((2, 3), seed=seed)
        noise -= keras.random.gamma((2, 3), 2.0, seed=seed)
        which = keras.random.randint((2, 3), 0, 5, seed=seed)
        return [x * weight + noise, tf.cast(which, "float32")]

    def run(x):
        with keras.StatelessScope():
            return draws(x)

    stored = with_stored_draws(function(run), SPECS)
    inputs = np.ones((2, 3), "float32")
    for actual, expected in zip(stored(inputs), run(inputs), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-6)
    assert not any("StatelessRandomNormal" in kind for kind in kinds(stored))
    weight.assign([[5.0]])
    np.testing.assert_allclose(stored(inputs)[0], run(inputs)[0], atol=1e-6)


def test_draws_that_inputs_determine_stay():
    def run(x):
        seed = tf.cast(x[0, :2], "int32")
        return [x + tf.random.stateless_uniform((2, 3), seed)]

    plain = function(run)
    assert with_stored_draws(plain, SPECS) is plain
