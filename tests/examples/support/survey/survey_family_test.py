import keras
import pytest

from support.survey.survey_family import NUM_PARAMETERS
from support.survey.survey_family import build
from support.survey.survey_family import recipe


@pytest.mark.parametrize("width", NUM_PARAMETERS)
def test_the_family_has_the_parameters_of_the_survey(width):
    assert build(width).count_params() == NUM_PARAMETERS[width]


def test_normalizations_come_after_or_before_the_activation():
    def order(variant):
        kinds = (keras.layers.BatchNormalization, keras.layers.ReLU)
        found = [x for x in build(0.05, variant=variant).layers]
        return [type(x).__name__ for x in found if isinstance(x, kinds)][:2]

    assert order("survey") == ["ReLU", "BatchNormalization"]
    assert order("bn_first") == ["BatchNormalization", "ReLU"]


def test_separable_networks_are_smaller():
    for width in (0.05, 1.0):
        separable = build(width, variant="separable").count_params()
        assert separable < NUM_PARAMETERS[width]


def test_recipes_are_those_of_the_survey():
    assert recipe(0.05).dropout == 0
    assert recipe(0.1).dropout == 0.15
    assert [recipe(w).translates for w in (0.1, 0.25)] == [False, True]
    assert [recipe(w).learning_rate for w in (0.5, 0.75)] == [5e-3, 1e-3]
