import keras
import numpy as np
import pytest

from keras_eff.distillation import StoredOutputs
from keras_eff.distillation.teacher import Teacher
from keras_eff.distillation.teacher import check_layers
from keras_eff.distillation.teacher import check_teacher
from keras_eff.distillation.teacher import each_logits

X = np.random.default_rng(0).normal(size=(6, 8)).astype("float32")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, inputs):
        return self.dense(inputs)


def net(activation=None):
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(4, name="hidden"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3, activation, name="last"),
        ]
    )


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def test_a_model_runs_as_at_inference():
    model = net()
    (outputs,), features = Teacher(model, [], None)(X)
    np.testing.assert_allclose(outputs, model(X, training=False), atol=1e-6)
    assert features == {}


def test_layers_are_returned_by_name():
    model = net()
    (outputs,), features = Teacher(model, ["hidden", "last"], None)(X)
    np.testing.assert_allclose(outputs, model(X, training=False), atol=1e-6)
    hidden = model.get_layer("hidden")(X)
    np.testing.assert_allclose(features["hidden"], hidden, atol=1e-6)
    np.testing.assert_allclose(features["last"], outputs, atol=1e-6)


def test_outputs_keep_their_structure_beside_layers():
    inputs = keras.Input((8,))
    hidden = keras.layers.Dense(4, name="hidden")(inputs)
    outputs = {"b": keras.layers.Dense(2)(hidden), "a": [hidden]}
    model = keras.Model(inputs, outputs)
    (found,), features = Teacher(model, ["hidden"], None)(X)
    assert found["b"].shape == (6, 2)
    np.testing.assert_allclose(found["a"][0], features["hidden"])


def test_a_function_and_a_subclassed_model_are_called():
    (outputs,), _ = Teacher(lambda x: 2 * x, [], None)(X)
    np.testing.assert_allclose(outputs, 2 * X)
    model = Subclassed()
    expected = model(X)
    (outputs,), _ = Teacher(model, [], None)(X)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def test_stored_outputs_are_given_by_the_batch(tmp_path):
    stored = StoredOutputs.collect(net(), X, tmp_path)
    (outputs,), _ = Teacher(stored, [], None)(stored.outputs)
    np.testing.assert_array_equal(outputs, stored.outputs)


def test_several_teachers_have_the_geometric_mean():
    models = [net("softmax"), net(), net("softmax")]
    shares = [np.array(model(X)) for model in models]
    shares[1] = softmax(shares[1])
    expected = np.prod(shares, axis=0) ** (1 / 3)
    expected = expected / expected.sum(axis=-1, keepdims=True)
    teacher = Teacher(models, [], None)
    outputs, _ = teacher(X)
    kinds = teacher.activations(outputs[0], None)
    assert kinds == [["softmax"], ["linear"], ["softmax"]]
    found = softmax(np.array(teacher.logits(outputs, kinds)))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_logits_of_a_softmax_have_its_probabilities():
    model = net("softmax")
    teacher = Teacher(model, [], None)
    outputs, _ = teacher(X)
    kinds = teacher.activations(outputs[0], None)
    found = softmax(np.array(teacher.logits(outputs, kinds)))
    np.testing.assert_allclose(found, model(X), atol=1e-6)


def test_each_output_has_its_activation():
    shares = softmax(X)
    found = each_logits({"a": shares, "b": X}, ["softmax", "linear"], None)
    np.testing.assert_allclose(softmax(np.array(found["a"])), shares, atol=1e-6)
    np.testing.assert_array_equal(found["b"], X)


def test_nothing_flows_back_to_a_teacher(gradient):
    found = gradient(
        lambda x: Teacher(lambda x: 2 * x, [], None)(x)[0][0] + x, X
    )
    np.testing.assert_array_equal(found, np.ones_like(X))


@pytest.mark.parametrize("source", [5, "model", None, [net(), 5]])
def test_what_cannot_teach_is_refused(source):
    with pytest.raises(ValueError, match="Argument `teacher` must be a built"):
        check_teacher(source, [])


def test_a_teacher_that_is_not_built_is_refused():
    model = keras.Sequential([keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="Received: keras.*Sequential"):
        check_teacher(model, [])


def test_no_teacher_at_all_is_refused():
    with pytest.raises(ValueError, match="Argument `teacher` must be a built"):
        check_teacher([], [])


def test_a_model_of_keras_2_is_refused():
    kind = type("Model", (), {"__call__": lambda self, x: x})
    kind.__module__ = "tf_keras.src.engine.training"
    with pytest.raises(TypeError, match="must be of Keras 3.* tf_keras.src"):
        check_teacher(kind(), [])


def test_layers_need_one_teacher():
    with pytest.raises(ValueError, match="need one teacher. Received: 2"):
        check_teacher([net(), net()], ["hidden"])


def test_layers_need_a_graph():
    model = Subclassed()
    model(X)
    for source in (model, lambda x: x):
        with pytest.raises(ValueError, match="a teacher that is a Sequential"):
            check_teacher(source, ["dense"])


def test_an_unknown_layer_is_refused():
    with pytest.raises(ValueError, match="student has no layer 'other'"):
        check_layers("student", net(), ["hidden", "other"])
