import keras
import numpy as np
import pytest
from keras import ops

import keras_eff
from keras_eff.distillation.logits import check_activation
from keras_eff.distillation.logits import final_activations
from keras_eff.distillation.logits import to_logits

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 3)).astype("float32")
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs


def net(*layers):
    return keras.Sequential([keras.Input((4,)), *layers])


def softmax_of(outputs):
    return np.array(ops.softmax(outputs, axis=-1))


ENDS = {
    "dense": ([keras.layers.Dense(3)], "linear"),
    "relu": ([keras.layers.Dense(3, "relu")], "linear"),
    "softmax": ([keras.layers.Dense(3, "softmax")], "softmax"),
    "sigmoid": ([keras.layers.Dense(1, "sigmoid")], "sigmoid"),
    "layer": ([keras.layers.Dense(3), keras.layers.Softmax()], "softmax"),
    "activation": (
        [keras.layers.Dense(3), keras.layers.Activation("sigmoid")],
        "sigmoid",
    ),
    "passing": (
        [keras.layers.Dense(3, "softmax"), keras.layers.Activation("linear")],
        "softmax",
    ),
    "nested": ([net(keras.layers.Dense(3, "softmax"))], "softmax"),
    "reshaped": (
        [keras.layers.Dense(3, "softmax"), keras.layers.Reshape((1, 3))],
        "softmax",
    ),
    "mixed": (
        [
            keras.layers.Dense(3),
            keras.layers.Activation("softmax", dtype="float32"),
        ],
        "softmax",
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_final_activation_is_found(end):
    layers, expected = ENDS[end]
    assert final_activations(net(*layers)) == [expected]


def test_operations_are_seen():
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(3)(inputs)
    outputs = [ops.softmax(hidden), ops.sigmoid(hidden), 2 * hidden]
    found = final_activations(keras.Model(inputs, outputs))
    assert found == ["softmax", "sigmoid", "linear"]


@pytest.mark.parametrize("activation", ["softmax", "linear"])
def test_a_quantized_model_is_seen_through(activation):
    model = net(keras.layers.Dense(8), keras.layers.Dense(3, activation))
    assert final_activations(keras_eff.quantize(model)) == [activation]


def test_a_wrapped_layer_is_seen_through():
    inputs = keras.Input((5, 4))
    dense = keras.layers.Dense(3, "softmax")
    outputs = keras.layers.TimeDistributed(dense)(inputs)
    found = final_activations(keras.Model(inputs, outputs))
    assert found == ["softmax"]


@pytest.mark.parametrize("model", [Subclassed(), lambda x: x, None])
def test_what_has_no_graph_does_not_tell(model):
    assert final_activations(model) is None


@pytest.mark.parametrize(
    "outputs, activation, from_logits",
    [
        (LOGITS, "linear", None),
        (LOGITS, None, None),
        (LOGITS, None, True),
        (SHARES, "softmax", None),
        (SHARES, "softmax", False),
        (SHARES, None, None),
        (SHARES, None, False),
        # What is seen to be linear may still be shares, as in a Lambda.
        (SHARES, "linear", False),
    ],
)
def test_logits_have_the_probabilities(outputs, activation, from_logits):
    found = to_logits(outputs, activation, from_logits)
    np.testing.assert_allclose(softmax_of(found), SHARES, atol=1e-6)


def test_logits_that_are_known_to_be_so_are_not_looked_at():
    for arguments in (("linear", None), (None, True)):
        found = to_logits(SHARES, *arguments)
        np.testing.assert_allclose(found, SHARES)


@pytest.mark.parametrize(
    "kind", [("sigmoid", None), (None, None), (None, False)]
)
def test_a_sigmoid_is_two_classes(kind):
    share = SHARES[:, :1]
    found = softmax_of(to_logits(share, *kind))
    np.testing.assert_allclose(found, np.hstack([1 - share, share]), atol=1e-6)


@pytest.mark.parametrize("kind", [("linear", None), (None, None), (None, True)])
def test_the_logit_of_a_sigmoid_is_two_classes(kind):
    logit = 3 * LOGITS[:, :1]
    found = softmax_of(to_logits(logit, *kind))
    share = 1 / (1 + np.exp(-logit))
    np.testing.assert_allclose(found, np.hstack([1 - share, share]), atol=1e-6)


def test_a_share_of_nothing_has_a_finite_logit():
    found = to_logits(np.array([[1.0, 0.0]]), "softmax", None)
    assert np.isfinite(found).all()
    found = to_logits(np.array([[1.0], [0.0]]), "sigmoid", None)
    assert np.isfinite(found).all()


def test_logits_are_float32():
    found = to_logits(SHARES.astype("float16"), "softmax", None)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"


def test_several_sigmoids_are_refused():
    with pytest.raises(ValueError, match="student ends in a sigmoid of 3"):
        check_activation("student", "sigmoid", None, 3)
    check_activation("student", "sigmoid", None, 1)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_probabilities_are_not_taken_for_logits(activation):
    with pytest.raises(ValueError, match="no logits. Received: from_logits"):
        check_activation("teacher", activation, True, 1)
    check_activation("teacher", activation, False, 1)
    check_activation("teacher", "linear", True, 3)
