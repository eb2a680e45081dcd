import keras
import numpy as np
import pytest

from keras_eff.schedules import ConstantSparsity
from keras_eff.schedules import PolynomialDecay
from keras_eff.schedules import SparsitySchedule


@keras.saving.register_keras_serializable(package="keras_eff_tests")
class Ramp(SparsitySchedule):
    """A schedule as a user would write it, with a list for a config."""

    def __init__(self, steps, values):
        self.steps = steps
        self.values = values

    def sparsity_at(self, step, ops):
        low, high = self.steps
        share = ops.clip((step - low) / (high - low), 0.0, 1.0)
        return self.values[0] + (self.values[1] - self.values[0]) * share

    def get_config(self):
        return {"steps": self.steps, "values": self.values}


def test_an_integer_gives_a_float():
    value = ConstantSparsity(0.5, 2)(2)
    assert isinstance(value, float) and value == 0.5


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_an_array_gives_an_array_of_its_shape(shape):
    assert np.shape(ConstantSparsity(0.5)(np.zeros(shape, int))) == shape


def test_a_tensor_gives_a_tensor():
    schedule = PolynomialDecay(0.0, 0.8, 0, 2)
    value = schedule(keras.ops.convert_to_tensor(1))
    assert keras.ops.is_tensor(value)
    assert float(value) == pytest.approx(0.7)


def test_the_step_of_an_optimizer_will_do():
    optimizer = keras.optimizers.SGD()
    assert float(ConstantSparsity(0.5)(optimizer.iterations.value)) == 0.5


def test_a_schedule_of_the_user_works_alike(check_values):
    values = [0.1] + [0.1 + 0.4 * step / 8 for step in range(9)] + [0.5]
    check_values(Ramp([1, 9], [0.1, 0.5]), values)


def test_a_schedule_of_the_user_comes_back_from_its_config():
    schedule = Ramp([1, 9], [0.1, 0.5])
    serialized = keras.saving.serialize_keras_object(schedule)
    assert keras.saving.deserialize_keras_object(serialized) == schedule


def test_schedules_of_equal_class_and_config_are_equal():
    schedule = ConstantSparsity(0.5, 3)
    assert schedule == ConstantSparsity(0.5, begin_step=3)
    assert schedule != ConstantSparsity(0.5, 4)
    assert schedule != PolynomialDecay(0.0, 0.5, 3, 4)
    assert schedule != "ConstantSparsity"
    assert len({schedule, ConstantSparsity(0.5, 3), Ramp([1, 9], [0, 1])}) == 2


def test_equal_configs_of_two_classes_are_not_equal():
    class Other(ConstantSparsity):
        pass

    assert Other(0.5) != ConstantSparsity(0.5)


def test_it_prints_as_it_is_made():
    schedule = PolynomialDecay(0.0, 0.8, begin_step=1, end_step=9)
    assert repr(schedule) == (
        "PolynomialDecay(initial_sparsity=0.0, final_sparsity=0.8, "
        "begin_step=1, end_step=9, power=3.0)"
    )
    assert eval(repr(schedule)) == schedule


def test_the_base_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        SparsitySchedule()
