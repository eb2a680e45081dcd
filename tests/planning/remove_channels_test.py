import inspect

import keras
from keras import layers

import keras_eff


def test_it_takes_what_plan_channels_takes():
    planned, removed = (
        inspect.signature(function).parameters
        for function in (keras_eff.plan_channels, keras_eff.remove_channels)
    )
    assert dict(planned) == dict(removed)


def test_it_removes_what_is_planned_with_the_same_arguments():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, name="first"),
            layers.Dense(8, name="second"),
            layers.Dense(2),
        ]
    )
    options = {"min_channels": 6, "skip": "second"}
    smaller = keras_eff.remove_channels(model, 0.5, **options)
    plan = keras_eff.plan_channels(model, 0.5, **options)
    assert [x.units for x in smaller.layers[1:]] == [6, 8, 2]
    assert smaller.count_params() == plan.num_parameters
