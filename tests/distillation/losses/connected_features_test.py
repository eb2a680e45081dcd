import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.distillation import ConnectedFeatures

RNG = np.random.default_rng(0)


def connected(teacher, student, **options):
    """A loss with its connector, and the variables of it as they are made."""
    variables = []

    def add_variable(shape, initializer):
        initializer = keras.initializers.get(initializer)
        variables.append(keras.Variable(initializer, shape))
        return variables[-1]

    loss = ConnectedFeatures("a", "b", **options)
    loss.build(add_variable, teacher.shape, student.shape)
    matrices = [v for v in variables if v.shape == (3, 5)]
    kernel = next(v for v in matrices if np.any(ops.convert_to_numpy(v)))
    return loss, kernel


def features(*places):
    teacher = RNG.normal(size=(*places, 5)).astype("float32")
    return teacher, RNG.normal(size=(*places, 3)).astype("float32")


def array(variable):
    return ops.convert_to_numpy(variable).copy()


@pytest.mark.parametrize("places", [(4,), (2, 3), (2, 3, 2)])
def test_it_is_the_mean_square_after_a_linear_map(places):
    teacher, student = features(*places)
    loss, kernel = connected(teacher, student)
    errors = [
        student[place] @ array(kernel) - teacher[place]
        for place in np.ndindex(places)
    ]
    found = loss.compute_loss(teacher, student)
    np.testing.assert_allclose(float(found), np.mean(np.square(errors)), 1e-5)


def test_it_is_no_step_to_compute_the_loss():
    teacher, student = features(4)
    loss, kernel = connected(teacher, student)
    before = array(kernel)
    loss.compute_loss(teacher, student)
    np.testing.assert_array_equal(array(kernel), before)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_the_connector_is_trained_by_adam(is_weighted):
    teacher, student = features(4, 2)
    weights = np.ones(4, dtype="float32")
    if is_weighted:
        weights = RNG.random(4).astype("float32")
    loss, kernel = connected(teacher, student, learning_rate=0.1)
    expected = [keras.Variable(array(kernel)), keras.Variable(np.zeros(5))]
    adam = keras.optimizers.Adam(0.1)
    for _ in range(3):
        error = student @ array(expected[0]) + array(expected[1]) - teacher
        slope = 2 * weights[:, None, None] * error / error.size
        slope, rows = slope.reshape(-1, 5), student.reshape(-1, 3)
        adam.apply([rows.T @ slope, slope.sum(0)], expected)
        loss.learn(teacher, student, weights if is_weighted else None)
    np.testing.assert_allclose(array(kernel), array(expected[0]), atol=1e-5)


def test_the_first_step_goes_against_the_gradient_of_the_loss():
    teacher, student = features(6)
    loss, kernel = connected(teacher, student, learning_rate=0.01)
    before, slopes = array(kernel), np.zeros((3, 5))
    for place in np.ndindex(3, 5):
        ends = []
        for step in (0.01, -0.01):
            moved = before.copy()
            moved[place] += step
            kernel.assign(moved)
            ends.append(float(loss.compute_loss(teacher, student)))
        slopes[place] = (ends[0] - ends[1]) / 0.02
    kernel.assign(before)
    loss.learn(teacher, student)
    expected = before - 0.01 * np.sign(slopes)
    np.testing.assert_allclose(array(kernel), expected, atol=1e-4)


def test_it_learns_a_linear_relation():
    _, student = features(64)
    teacher = student @ RNG.normal(size=(3, 5)).astype("float32") + 1
    loss, _ = connected(teacher, student, learning_rate=0.3)
    first = float(loss.compute_loss(teacher, student))
    for _ in range(60):
        loss.learn(teacher, student)
    assert float(loss.compute_loss(teacher, student)) < 0.02 * first


def test_the_student_gets_the_gradient(gradient):
    teacher, student = features(4)
    loss, kernel = connected(teacher, student)
    matrix = array(kernel)
    expected = 2 / 20 * (student @ matrix - teacher) @ matrix.T

    def of_student(student):
        return loss.compute_loss(ops.convert_to_tensor(teacher), student)

    np.testing.assert_allclose(
        gradient(of_student, student), expected, atol=1e-6
    )


def test_other_places_are_refused():
    with pytest.raises(ValueError, match="but for the last axis of equal"):
        connected(np.ones((2, 4, 5)), np.ones((2, 3, 3)))


@pytest.mark.parametrize("learning_rate", [0.0, -1.0, float("nan")])
def test_a_learning_rate_must_be_positive(learning_rate):
    with pytest.raises(ValueError, match="`learning_rate` must be .* Received"):
        ConnectedFeatures(learning_rate=learning_rate)


def test_it_survives_a_config_round_trip():
    config = keras.saving.serialize_keras_object(
        ConnectedFeatures("a", "b", 0.5)
    )
    copy = keras.saving.deserialize_keras_object(config)
    assert isinstance(copy, ConnectedFeatures)
    assert copy.get_config() == {
        "teacher_layer_name": "a",
        "student_layer_name": "b",
        "learning_rate": 0.5,
    }
