import keras
import numpy as np
import pytest
from keras import layers

from keras_eff.graph.trace import trace
from keras_eff.graph.trace import traced_tensors
from keras_eff.graph.walk import Call
from keras_eff.layers import QRNN
from keras_eff.layers import LocalProjectedAttention
from keras_eff.layers import ProjectionLayer


def traced(layer, *tensors, **kwargs):
    layer(*tensors, **kwargs)
    call = Call(layer, tensors, kwargs, ())
    found = trace(layer, call)
    return found.model, traced_tensors(call), found.outputs, found.masks


def outputs_of(model, x, **options):
    return keras.tree.flatten(model([x], **options))[0]


def test_the_model_computes_what_the_layer_does():
    layer = QRNN(3)
    model, tensors, _, masks = traced(layer, keras.Input((5, 2)))
    assert [x.shape for x in tensors] == [(None, 5, 2)]
    assert masks == [None]
    x = np.random.default_rng(0).normal(size=(2, 5, 2)).astype("float32")
    found = outputs_of(model, x)
    np.testing.assert_allclose(found, layer(x), atol=1e-6)


def test_it_consists_of_the_parts_of_the_layer():
    layer = QRNN(3)
    model, *_ = traced(layer, keras.Input((5, 2)))
    assert layer.convolution in model.layers
    assert layer.recurrence in model.layers


def test_every_tensor_among_the_arguments_is_an_input():
    states = [keras.Input((3,)), keras.Input((1, 2))]
    model, tensors, outputs, _ = traced(
        QRNN(3, return_state=True), keras.Input((5, 2)), initial_state=states
    )
    assert [x.shape for x in tensors[1:]] == [x.shape for x in states]
    assert len(model.inputs) == 3
    assert len(outputs) == len(model.outputs) == 3


def test_a_mask_that_travels_with_the_input_is_an_input_too():
    features = ProjectionLayer(4)(keras.Input((6,), dtype="int32"))
    layer = LocalProjectedAttention(2, 2, group_size=3)
    model, tensors, _, masks = traced(layer, features)
    assert [x.dtype for x in tensors] == ["float32", "bool"]
    assert [x.shape for x in model.outputs] == [(None, 2, 4), (None, 2)]
    assert len(masks) == 1


def test_a_mask_that_a_layer_passes_on_unseen_is_an_output_too():
    class Scaled(layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True

        def call(self, x):
            return x * 2.0

    words = layers.Embedding(9, 4, mask_zero=True)(keras.Input((6,)))
    model, tensors, _, masks = traced(Scaled(), words)
    assert [x.dtype for x in tensors] == ["float32", "bool"]
    assert len(masks) == 1 and len(model.outputs) == 2


@pytest.mark.parametrize("training", [True, False])
def test_it_takes_the_mode_in_which_it_is_called(training):
    layer = QRNN(3, zoneout=0.9, return_sequences=True)
    model, *_ = traced(layer, keras.Input((50, 2)))
    x = np.random.default_rng(0).normal(size=(1, 50, 2)).astype("float32")
    found = outputs_of(model, x, training=training)
    is_plain = np.allclose(found, layer(x), atol=1e-6)
    assert is_plain is not training


def test_bidirectional_layers_are_traced():
    layer = layers.Bidirectional(QRNN(3, return_sequences=True))
    model, *_ = traced(layer, keras.Input((5, 2)))
    x = np.random.default_rng(0).normal(size=(2, 5, 2)).astype("float32")
    np.testing.assert_allclose(outputs_of(model, x), layer(x), atol=1e-6)
