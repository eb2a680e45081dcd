import keras
import numpy as np
import pytest

from keras_eff.distillation import HiddenCosine

RNG = np.random.default_rng(0)


def test_it_is_the_mean_of_one_minus_the_cosine():
    teacher, student = RNG.normal(size=(2, 4, 3, 5)).astype("float32")
    expected = []
    for place in np.ndindex(4, 3):
        a, b = teacher[place], student[place]
        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        expected.append(1 - cosine)
    found = HiddenCosine("a", "b").compute_loss(teacher, student)
    np.testing.assert_allclose(float(found), np.mean(expected), rtol=1e-5)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="hidden states of equal shape"):
        HiddenCosine().compute_loss(np.ones((2, 4)), np.ones((2, 3)))


def test_it_survives_a_config_round_trip():
    config = keras.saving.serialize_keras_object(HiddenCosine("a"))
    copy = keras.saving.deserialize_keras_object(config)
    assert isinstance(copy, HiddenCosine)
    assert (copy.teacher_layer_name, copy.student_layer_name) == ("a", None)
