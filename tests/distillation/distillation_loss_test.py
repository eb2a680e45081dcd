import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.distillation import ConnectedFeatures
from keras_eff.distillation import HiddenCosine
from keras_eff.distillation import SampleRelations
from keras_eff.distillation.distillation_loss import combined_weights
from keras_eff.distillation.distillation_loss import is_of_logits
from keras_eff.distillation.distillation_loss import mended
from keras_eff.distillation.distillation_loss import names_of
from keras_eff.distillation.distillation_loss import value

FeatureDistillation = keras.distillation.FeatureDistillation
LogitsDistillation = keras.distillation.LogitsDistillation
RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(size=(2, 6, 3)).astype("float32")
WEIGHTS = RNG.random(6).astype("float32")


class DoubledLogits(LogitsDistillation):
    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        return 2 * super().compute_loss(teacher_outputs, student_outputs)


def divergences(temperature):
    """Kullback-Leibler, times the square of the temperature, by rows."""
    found = []
    for teacher, student in zip(TEACHER, STUDENT, strict=True):
        p, q = (np.exp(z / temperature) for z in (teacher, student))
        p, q = p / p.sum(), q / q.sum()
        found.append(temperature**2 * np.sum(p * np.log(p / q)))
    return np.array(found)


def value_of(loss, *arguments, **options):
    return float(value(mended(loss), TEACHER, STUDENT, *arguments, **options))


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_default_is_a_divergence_of_probabilities(temperature):
    expected = divergences(temperature).mean()
    found = value_of(LogitsDistillation(temperature))
    assert found == pytest.approx(expected, rel=1e-4)


def test_keras_takes_the_default_of_logits():
    # When this fails, Keras is mended, and `mended` may go.
    found = LogitsDistillation(3.0).compute_loss(TEACHER, STUDENT)
    assert abs(float(found) - divergences(3.0).mean()) > 0.01


def test_a_loss_of_ones_own_is_kept():
    divergence = keras.losses.KLDivergence()
    found = value_of(LogitsDistillation(3.0, divergence))
    assert found == pytest.approx(divergences(3.0).mean(), rel=1e-4)
    found = value_of(LogitsDistillation(2.0, keras.losses.MeanSquaredError()))
    expected = np.mean((TEACHER / 2 - STUDENT / 2) ** 2)
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_loss_that_is_given_is_left_as_it_was():
    divergence = keras.losses.KLDivergence()
    loss = LogitsDistillation(loss=divergence)
    mended(loss)
    assert loss.loss is divergence
    assert divergence.reduction == "sum_over_batch_size"


def test_a_subclass_computes_its_own():
    found = value_of(DoubledLogits(3.0))
    assert found == pytest.approx(2 * divergences(3.0).mean(), rel=1e-4)


def test_losses_of_several_outputs_are_mended():
    loss = LogitsDistillation(3.0, {"a": "kl_divergence", "b": None})
    outputs = [{"a": x, "b": x} for x in (TEACHER, STUDENT)]
    found = float(value(mended(loss), *outputs))
    assert found == pytest.approx(divergences(3.0).mean(), rel=1e-4)


def test_losses_of_another_kind_are_as_they_are():
    loss = HiddenCosine()
    assert mended(loss) is loss
    assert not is_of_logits(loss)
    assert is_of_logits(DoubledLogits())


def test_a_loss_keeps_its_arguments():
    huber = keras.losses.Huber(0.3)
    expected = float(huber(TEACHER, STUDENT))
    assert value_of(FeatureDistillation(huber)) == pytest.approx(expected)


def test_a_sum_stays_a_sum():
    loss = FeatureDistillation(keras.losses.MeanSquaredError("sum"))
    expected = np.mean((TEACHER - STUDENT) ** 2, axis=1).sum()
    assert value_of(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(6,), (6, 1)])
def test_weights_weigh_samples_as_keras_does(shape):
    weights = ops.convert_to_tensor(WEIGHTS.reshape(shape))
    expected = np.mean(WEIGHTS * divergences(3.0))
    found = value_of(LogitsDistillation(3.0), weights)
    assert found == pytest.approx(expected, rel=1e-4)
    plain = keras.losses.MeanSquaredError()
    found = value_of(FeatureDistillation("mse"), weights)
    expected = float(plain(TEACHER, STUDENT, WEIGHTS.reshape(shape)))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(2, 3), (2, 1), (2,)])
def test_weights_weigh_places(shape):
    teacher, student = TEACHER.reshape(2, 3, 3), STUDENT.reshape(2, 3, 3)
    weights = RNG.random(shape).astype("float32")
    by_place = divergences(3.0).reshape(2, 3)
    expected = np.mean(weights.reshape(2, -1) * by_place)
    tensor = ops.convert_to_tensor(weights)
    if shape == (2,):
        expected = np.mean(weights * by_place.mean(axis=1))
    found = value(mended(LogitsDistillation(3.0)), teacher, student, tensor)
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_weights_do_not_apply_to_relations_of_samples():
    weights = ops.convert_to_tensor(WEIGHTS)
    assert value_of(SampleRelations(), weights) == value_of(SampleRelations())


def test_connectors_learn_once_for_a_batch():
    class Counted(ConnectedFeatures):
        seen = []

        def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
            return ops.mean(student_outputs)

        def learn(self, teacher_outputs, student_outputs, weights=None):
            self.seen.append((len(student_outputs), weights))

    value_of(Counted())
    weights = ops.convert_to_tensor(WEIGHTS)
    value_of(Counted(), weights)
    assert Counted.seen == [(6, None), (6, weights)]


def test_outputs_of_another_shape_are_refused():
    message = r"`LogitsDistillation` needs .* \(6, 3\) of the teacher, \(6, 2\)"
    with pytest.raises(ValueError, match=message):
        value(LogitsDistillation(), TEACHER, STUDENT[:, :2])


def test_features_of_another_width_are_for_their_loss_to_refuse():
    assert float(value(SampleRelations(), TEACHER, STUDENT[:, :2])) > 0


def test_masked_places_have_no_weight():
    mask = np.array([[True, True, False], [True, False, False]])
    found = combined_weights(None, ops.convert_to_tensor(mask))
    np.testing.assert_allclose(found, mask * 2.0)
    weights = np.array([1.0, 3.0], dtype="float32")
    for shape in ((2,), (2, 1)):
        found = combined_weights(
            ops.convert_to_tensor(weights.reshape(shape)),
            ops.convert_to_tensor(mask),
        )
        np.testing.assert_allclose(found, mask * [[2.0], [6.0]])


def test_a_mask_of_everything_gives_zeros():
    found = combined_weights(None, np.zeros((2, 3), dtype=bool))
    np.testing.assert_array_equal(found, np.zeros((2, 3)))


def test_weights_of_several_outputs_are_averaged():
    assert combined_weights(None, None) is None
    found = combined_weights({"a": np.ones(3), "b": 3 * np.ones(3)}, None)
    np.testing.assert_allclose(found, 2 * np.ones(3))
    found = combined_weights([np.ones(3, dtype=int), None], None)
    np.testing.assert_allclose(found, np.ones(3))


def test_each_layer_is_named_once():
    losses = [
        HiddenCosine("a", "b"),
        SampleRelations("a", "c"),
        HiddenCosine(),
        LogitsDistillation(),
    ]
    assert names_of(losses, "teacher") == ["a"]
    assert names_of(losses, "student") == ["b", "c"]
