import keras
import pytest

from keras_eff.distillation import Stage


def weights(stage):
    return [stage(epoch) for epoch in range(5)]


def test_the_weight_is_on_from_begin_to_end():
    assert weights(Stage(1, 3, 2)) == [0.0, 2.0, 2.0, 0.0, 0.0]


def test_without_an_end_it_stays_on():
    assert weights(Stage(3)) == [0.0, 0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("epochs", [(-1, None), (2, 2), (2, 1)])
def test_a_stage_without_epochs_is_refused(epochs):
    with pytest.raises(ValueError, match="`(begin|end)_epoch` must be an"):
        Stage(*epochs)


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match="`weight` must be .* Received: .*-1"):
        Stage(0, weight=-1)


def test_it_survives_a_config_round_trip():
    config = keras.saving.serialize_keras_object(Stage(1, 3, 2.0))
    copy = keras.saving.deserialize_keras_object(config)
    assert isinstance(copy, Stage)
    assert weights(copy) == weights(Stage(1, 3, 2.0))
