import keras
import numpy as np
import pytest

from keras_eff.distillation.method_patches import ScaledForReplicas
from keras_eff.distillation.method_patches import in_scope_of
from keras_eff.distillation.method_patches import patched
from keras_eff.distillation.method_patches import with_metric


class Thing:
    kind = "class"

    def __init__(self):
        self.own = 1


def model():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_attributes_are_as_they_were_after_the_block(error):
    thing = Thing()
    try:
        with patched(thing, own=2, kind="instance", new=3):
            assert vars(thing) == {"own": 2, "kind": "instance", "new": 3}
            if error:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    assert vars(thing) == {"own": 1}
    assert thing.kind == "class"


def test_an_attribute_may_go_inside_the_block():
    thing = Thing()
    with patched(thing, own=2, new=3):
        del thing.own, thing.new
    assert vars(thing) == {"own": 1}


def test_a_method_of_a_model_is_back_after_the_block():
    student = model()
    before = student.compute_loss
    with patched(student, compute_loss=lambda: 5):
        assert student.compute_loss() == 5
    assert student.compute_loss == before
    assert "compute_loss" not in vars(student)


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_a_metric_is_there_inside_the_block(error):
    student, metric = model(), keras.metrics.Mean("mean")
    student.compile("sgd", "mse")
    before = student.metrics
    try:
        with with_metric(student, metric):
            assert student.metrics[-1] is metric
            # It pins `_metrics`, the private list of Keras.
            assert student._metrics == [metric]
            if error:
                raise error
    except KeyboardInterrupt:
        pass
    assert student.metrics == before


def test_the_inner_of_two_blocks_changes_nothing():
    student, metric = model(), keras.metrics.Mean("mean")
    with with_metric(student, metric):
        with with_metric(student, metric):
            assert student._metrics == [metric]
        assert student._metrics == [metric]


def test_without_a_strategy_variables_are_plain():
    with in_scope_of(model()):
        variable = keras.Variable(np.ones(2))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), 1.0)


def test_one_replica_has_the_whole_loss():
    assert float(ScaledForReplicas().of(keras.ops.ones(()) * 3)) == 3.0
