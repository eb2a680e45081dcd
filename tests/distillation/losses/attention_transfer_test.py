import keras
import numpy as np
import pytest

from keras_eff.distillation import AttentionTransfer

RNG = np.random.default_rng(0)


def attention(features):
    """The maps of all samples, by loops."""
    rows = []
    for sample in features:
        energy = [
            np.mean([value**2 for value in sample[place]])
            for place in np.ndindex(sample.shape[:-1])
        ]
        rows.append(np.array(energy) / np.sqrt(np.sum(np.square(energy))))
    return np.array(rows)


@pytest.mark.parametrize("places", [(6,), (4, 3)])
def test_it_is_the_mean_square_between_normalized_maps(places):
    teacher = RNG.normal(size=(5, *places, 8)).astype("float32")
    student = RNG.normal(size=(5, *places, 3)).astype("float32")
    expected = np.mean((attention(teacher) - attention(student)) ** 2)
    found = AttentionTransfer("a", "b").compute_loss(teacher, student)
    np.testing.assert_allclose(float(found), expected, rtol=1e-5)


def test_only_where_a_layer_is_active_counts():
    student = RNG.normal(size=(2, 4, 3)).astype("float32")
    loss = AttentionTransfer("a", "b").compute_loss(-5.0 * student, student)
    assert float(loss) == pytest.approx(0.0, abs=1e-12)


def test_other_places_are_refused():
    with pytest.raises(ValueError, match="maps of equal shape .* layer 'a'"):
        AttentionTransfer("a", "b").compute_loss(
            np.ones((2, 4, 3)), np.ones((2, 5, 3))
        )


def test_it_survives_a_config_round_trip():
    config = keras.saving.serialize_keras_object(AttentionTransfer("a", "b"))
    copy = keras.saving.deserialize_keras_object(config)
    assert isinstance(copy, AttentionTransfer)
    assert (copy.teacher_layer_name, copy.student_layer_name) == ("a", "b")
