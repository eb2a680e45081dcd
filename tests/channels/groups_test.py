import keras
import numpy as np
from keras import layers

from keras_eff.channels.graph import ChannelGraph
from keras_eff.channels.groups import groups_of
from keras_eff.channels.groups import rows


def test_tied_layers_are_one_group_in_the_order_of_the_model():
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 1, name="stem")(inputs)
    y = layers.Conv2D(5, 1, name="inner")(x)
    x = x + layers.Conv2D(4, 1, name="residual")(y)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(2, name="head")(x))
    groups = groups_of(ChannelGraph(model))
    assert [g.layers for g in groups] == [
        ("stem", "residual"),
        ("inner",),
        ("head",),
    ]
    assert [g.num_channels for g in groups] == [4, 5, 2]
    assert [w.shape for w in groups[0].weights] == [(4, 3), (4, 5)]
    head = groups[-1]
    assert (head.num_frozen, len(head.roots)) == (2, 0)
    assert head.reason == "the model returns them"


def test_rows_gather_what_makes_each_channel():
    value = np.arange(12.0).reshape(3, 4)
    found = rows(value, 1, [[0, 2], [3]])
    assert found.tolist() == [
        [0, 4, 8, 2, 6, 10],
        [3, 7, 11, 0, 0, 0],
    ]
