import keras
import numpy as np
from keras import layers

import keras_eff
from keras_eff.graph.rewriter import Rewriter
from keras_eff.graph.rewriter import open_composed


def tripled(call, rewriter):
    return rewriter.copy(call) * 3.0


def nested_twice():
    inner = keras.Sequential(
        [keras.Input((2,)), layers.Dense(2, name="dense")], name="inner"
    )
    outer = keras.Sequential([keras.Input((2,)), inner], name="outer")
    first, second = keras.Input((2,)), keras.Input((2,))
    return keras.Model([first, second], [outer(first), outer(second)])


def test_operations_without_a_rule_are_copied():
    model = nested_twice()
    copy = Rewriter({}).rewrite(model)
    inputs = [np.ones((1, 2), "float32"), np.zeros((1, 2), "float32")]
    for new, old in zip(copy(inputs), model(inputs), strict=True):
        np.testing.assert_array_equal(new, old)


def test_a_rule_holds_at_any_depth_and_what_is_shared_stays_shared():
    model = nested_twice()
    copy = Rewriter({"weighted": tripled}).rewrite(model)
    inputs = [np.ones((1, 2), "float32")] * 2
    np.testing.assert_allclose(copy(inputs)[0], 3 * model(inputs)[0], rtol=1e-6)
    assert len(copy.weights) == len(model.weights) == 2
    assert copy.get_layer("outer").get_layer("inner").get_layer("dense")


def test_kept_operations_are_copied_whatever_the_rules():
    model = nested_twice()
    rewriter = Rewriter({"weighted": tripled}, lambda op: op.name == "dense")
    copy = rewriter.rewrite(model)
    inputs = [np.ones((1, 2), "float32")] * 2
    np.testing.assert_array_equal(copy(inputs)[0], model(inputs)[0])
    inner = copy.get_layer("outer").get_layer("inner")
    assert rewriter.kept == {inner.get_layer("dense")}


def test_a_nested_model_is_kept_whole():
    model = nested_twice()
    rewriter = Rewriter({"weighted": tripled}, lambda op: op.name == "outer")
    copy = rewriter.rewrite(model)
    inputs = [np.ones((1, 2), "float32")] * 2
    np.testing.assert_array_equal(copy(inputs)[0], model(inputs)[0])
    assert rewriter.kept == {copy.get_layer("outer")}
    assert len(copy.weights) == 2


def test_each_layer_has_its_origin_at_any_depth():
    model = nested_twice()
    rewriter = Rewriter({})
    copy = rewriter.rewrite(model)
    old, new = (x.get_layer("outer").get_layer("inner") for x in (model, copy))
    assert rewriter.origins[new] is old
    assert rewriter.origins[new.get_layer("dense")] is old.get_layer("dense")


def test_the_parts_of_an_opened_layer_have_it_as_their_origin():
    layer = layers.Bidirectional(keras_eff.layers.QRNN(2, name="rnn"))
    inputs = keras.Input((3, 2))
    model = keras.Model(inputs, layers.Dense(2)(layer(inputs)))
    rewriter = Rewriter({"composed": open_composed})
    rewriter.rewrite(model)
    origins = {x.name: origin for x, origin in rewriter.origins.items()}
    parts = [name for name in origins if name.endswith("rnn_convolution")]
    assert len(parts) == 2
    assert all(origins[name] is layer for name in parts)


def test_names_do_not_collide_with_the_model_s():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, layers.Dense(2, name="dense_1")(inputs))
    rewriter = Rewriter({})
    rewriter.rewrite(model)
    assert rewriter.unique("dense") == "dense"
    assert rewriter.unique("dense") == "dense_2"
    assert rewriter.inherited(model.layers[1]) == "dense_1"
    assert rewriter.inherited(model.layers[1]) == "dense_1_1"
