import keras
import numpy as np
import pytest

from keras_eff.callbacks import DistillationTeacher
from keras_eff.distillation.teacher_model import call_model

X = np.ones((4, 6), "float32")


def of_inputs(**shapes):
    inputs = [keras.Input(shape, name=name) for name, shape in shapes.items()]
    flat = [keras.layers.Flatten()(x) for x in inputs]
    joined = keras.layers.Concatenate()([*flat, *flat])
    return keras.Model(inputs, keras.layers.Dense(3)(joined), name="large")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="large")
        self.dense = keras.layers.Dense(3)

    def call(self, inputs):
        return self.dense(inputs)


def subclassed():
    model = Subclassed()
    model(X[:, :5])
    return model


def sequential():
    layers = [keras.Input((5,)), keras.layers.Dense(3)]
    return keras.Sequential(layers, name="large")


@pytest.mark.parametrize(
    "make, taken",
    [
        (lambda: of_inputs(a=(5,)), r"shape \(None, 5\)"),
        (sequential, r"shape \(None, 5\)"),
        (
            lambda: of_inputs(a=(6,), b=(2, 3)),
            r"shapes 'a' \(None, 6\), 'b' \(None, 2, 3\)",
        ),
        (subclassed, "inputs that it does not tell"),
    ],
    ids=["functional", "sequential", "two inputs", "subclassed"],
)
def test_inputs_that_do_not_fit_are_told_with_the_way_out(make, taken):
    text = (
        r'`y=\{"labels": y, "teacher": its_inputs\}`.*Received: inputs of '
        rf"shape \(None, 6\) for teacher 'large', which takes {taken}; it "
        "raised ValueError: (Input|Layer)"
    )
    with pytest.raises(ValueError, match=text):
        call_model(make(), X)


def test_inputs_by_other_names_are_told():
    text = r"of shapes 'b' \(None, 6\), 'c' \(None, 6\) for teacher 'large'"
    with pytest.raises(ValueError, match=text):
        call_model(of_inputs(a=(6,)), {"b": X, "c": X})


def test_fit_says_it_too():
    student = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    student.compile("sgd", "mse", jit_compile=False)
    teaching = DistillationTeacher(sequential())
    with pytest.raises(ValueError, match="The teacher must run on the inputs"):
        student.fit(X, X[:, :3], callbacks=[teaching], verbose=0)
