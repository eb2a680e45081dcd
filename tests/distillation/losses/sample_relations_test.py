import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.distillation import SampleRelations

RNG = np.random.default_rng(0)


def distances(features):
    count = len(features)
    found = np.zeros((count, count))
    for i, j in np.ndindex(count, count):
        found[i, j] = np.linalg.norm(features[i] - features[j])
    return found / (found.sum() / (count * (count - 1)))


def huber(error):
    size = abs(error)
    return error**2 / 2 if size <= 1 else size - 0.5


def test_it_is_the_huber_loss_between_distances():
    teacher = RNG.normal(size=(6, 2, 4)).astype("float32")
    student = RNG.normal(size=(6, 3)).astype("float32")
    # Errors over 1 too: one sample far from the others.
    student[0] *= 100
    errors = (distances(student) - distances(teacher)).ravel()
    assert max(abs(errors)) > 1
    expected = np.mean([huber(error) for error in errors])
    found = SampleRelations().compute_loss(teacher, student)
    np.testing.assert_allclose(float(found), expected, rtol=1e-4)


def test_it_is_so_far_from_the_origin():
    teacher = RNG.normal(size=(6, 4)).astype("float32")
    found = SampleRelations().compute_loss(teacher + 1000, teacher)
    assert float(found) == pytest.approx(0.0, abs=1e-6)


def test_a_batch_of_one_sample_has_no_loss():
    found = SampleRelations().compute_loss(np.ones((1, 4)), np.zeros((1, 2)))
    assert float(found) == 0.0


def test_gradients_are_finite_where_samples_are_equal(gradient):
    teacher = ops.convert_to_tensor(RNG.normal(size=(3, 2)), "float32")

    def loss(student):
        return SampleRelations().compute_loss(teacher, student)

    student = np.array([[0.1, 1.3], [0.1, 1.3], [2, 3]], dtype="float32")
    found = gradient(loss, student)
    assert np.isfinite(found).all()
    assert np.abs(found).max() > 0


def test_weights_of_samples_do_not_apply():
    assert not SampleRelations.is_mean_of_samples


def test_it_survives_a_config_round_trip():
    config = keras.saving.serialize_keras_object(SampleRelations("a", "b"))
    copy = keras.saving.deserialize_keras_object(config)
    assert isinstance(copy, SampleRelations)
    assert (copy.teacher_layer_name, copy.student_layer_name) == ("a", "b")


@pytest.mark.parametrize("scale", [0.01, 30.0])
def test_only_ratios_of_distances_count(scale):
    student = RNG.normal(size=(5, 3)).astype("float32")
    found = SampleRelations().compute_loss(scale * student, student)
    assert float(found) == pytest.approx(0.0, abs=1e-6)
