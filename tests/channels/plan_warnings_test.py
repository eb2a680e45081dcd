import keras
import pytest
from keras import layers

import keras_eff
from keras_eff.channels import plan_warnings


class Inner(keras.Model):
    """A model whose graph its `call` hides."""

    def __init__(self, units=20, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense = layers.Dense(units)

    def call(self, x):
        return self.dense(x)


class Own(layers.Layer):
    def build(self, shape):
        self.matrix = self.add_weight(shape=(shape[-1], 10))

    def call(self, x):
        return x @ self.matrix


@pytest.fixture(scope="module")
def model():
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, name="before"),
            Inner(name="inner"),
            Own(name="own"),
            layers.Dense(5, name="free"),
            layers.Dense(10, name="odd"),
            layers.Dense(2, name="head"),
        ]
    )


@pytest.fixture
def told(monkeypatch):
    lines = []

    def warning(text, *values):
        lines.append(text % values)

    monkeypatch.setattr(plan_warnings.logging, "warning", warning)
    return lines


def test_all_parameters_count_those_of_model_classes_too(model):
    plan = keras_eff.plan_channels(model, 0.5)
    assert plan.num_parameters == plan.remove().count_params()
    whole = keras_eff.plan_channels(model, 0.0)
    assert whole.num_parameters == model.count_params() == 573
    least = keras_eff.plan_channels(model, 0.9).num_parameters
    with pytest.raises(ValueError, match=f"of which {least} is possible"):
        keras_eff.plan_channels(model, max_parameters=least - 1, verbose=0)


def test_what_nothing_can_go_of_is_named_with_its_share(model, told):
    plan = keras_eff.plan_channels(model, 0.5)
    shares = {"own": 200 / 573, "inner": 180 / 573, "before": 56 / 573}
    left = {name: share for name, share, _ in plan.left}
    assert left == pytest.approx(shares)
    assert list(left) == list(shares)
    assert "Inner 'inner'" in plan.left[-1][2]
    assert "left whole, 76.1% of the parameters:\n  own 34.9%: " in str(plan)
    (line,) = told
    assert "layers with 76.1% of the parameters: own 34.9%" in line


def test_layers_whose_products_are_not_counted_are_named(model, told):
    plan = keras_eff.plan_channels(model, max_macs=125, verbose=0)
    assert plan.without_macs == ("inner", "own")
    assert "MACs do not count those of: inner, own" in str(plan)
    assert told[-1].endswith(
        "`max_macs` does not count the products of inner, own"
    )


def test_groups_that_are_no_multiple_are_named(model, told):
    keras_eff.plan_channels(model, 0.5, multiple_of=8)
    assert "multiple_of=8 in free (5)," in told[0]


def test_a_share_of_which_nothing_comes_is_told(model, told):
    keras_eff.plan_channels(model, 0.5, multiple_of=16)
    assert "nothing goes with sparsity=0.5, multiple_of=16" in told[0]
    told.clear()
    keras_eff.plan_channels(model, 0.0)
    assert not told
