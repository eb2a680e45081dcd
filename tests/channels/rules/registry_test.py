import keras
import pytest
from keras import layers

import keras_eff
from keras_eff.channels.rules.registry import RULES
from keras_eff.graph import book

# A layer has them by what its user registers.
OF_USERS = {"declared", "opened"}


def test_each_rule_is_named_in_the_book_and_each_name_has_a_rule():
    tables = (book._layers, book._operations, book._functions)
    entries = [entry for table in tables for entry in table.values()]
    named = {"frozen", *(entry.channels for entry in entries)}
    assert named | OF_USERS == set(RULES)


class Own(layers.Layer):
    def build(self, shape):
        self.matrix = self.add_weight(shape=(shape[-1], 4))

    def call(self, x):
        return x @ self.matrix


class MyDense(layers.Dense):
    """What Keras's layer is."""


class OtherDense(layers.Dense):
    def call(self, x):
        return super().call(x) * 2


def between(*parts):
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(8), *parts, layers.Dense(2)]
    )


def test_a_subclass_that_inherits_call_is_its_parent():
    found, expected = (
        keras_eff.plan_channels(between(kind(6, name="own")), 0.5)
        for kind in (MyDense, layers.Dense)
    )
    kept = [(g.layers, found.num_kept(g)) for g in found.groups]
    assert kept[1] == (("own",), 3)
    assert found.num_macs == expected.num_macs == 6 * 4 + 4 * 3 + 3 * 2
    assert not found.without_macs
    assert isinstance(found.remove().get_layer("own"), MyDense)


@pytest.mark.parametrize(
    "make", [Own, lambda: OtherDense(4)], ids=["layer", "subclass"]
)
def test_what_is_not_known_is_named_with_the_way_out(make):
    layer = make()
    plan = keras_eff.plan_channels(between(layer), 0.5)
    reason = (
        f"{__name__}.{type(layer).__name__} '{layer.name}' is not known: see "
        "`keras_eff.register_layer`"
    )
    assert plan.groups[0].reason == reason
    assert (layer.name, reason) in [(row[0], row[2]) for row in plan.left]
    assert plan.without_macs == (layer.name,)
