"""The default loss of a lesson, against NumPy: nothing is learned here."""

import keras
import numpy as np
import pytest

from keras_eff.callbacks import DistillationTeacher

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 8)).astype("float32")
WEIGHTS = RNG.random(16).astype("float32")
losses = keras.losses
Activation = keras.layers.Activation


def net(*layers, units=3):
    layers = layers or (keras.layers.Dense(units),)
    return keras.Sequential([keras.Input((8,)), *layers])


def two(structure, names=("cls", "box"), ends=(None, None)):
    inputs = keras.Input((8,))
    outputs = {
        name: keras.layers.Dense(3, end, name=name)(inputs)
        for name, end in zip(names, ends, strict=True)
    }
    return keras.Model(inputs, structure(outputs))


def taught(student, teacher, loss, y=None, fit=None, **options):
    """The distillation loss of one batch at learning rate 0."""
    weights = options.pop("loss_weights", None)
    student.compile(
        keras.optimizers.SGD(0.0),
        loss,
        loss_weights=weights,
        run_eagerly=True,
    )
    if y is None:
        y = np.zeros_like(student(X))
    teaching = DistillationTeacher(teacher, **options)
    history = student.fit(
        X, y, 16, verbose=0, shuffle=False, callbacks=[teaching], **fit or {}
    )
    return history.history["distillation_loss"][0]


def sigmoid(x):
    return 1 / (1 + np.exp(-np.array(x, "float64")))


def softmax(x):
    x = np.exp(np.array(x, "float64"))
    return x / x.sum(axis=-1, keepdims=True)


def by_class(teacher, student):
    p, q = softmax(np.array(teacher) / 3), softmax(np.array(student) / 3)
    return 9 * np.sum(p * np.log(p / q), axis=-1)


def by_label(teacher, student):
    p, q = sigmoid(np.array(teacher) / 3), sigmoid(np.array(student) / 3)
    divergence = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    return 9 * divergence.mean(axis=-1)


def by_square(teacher, student):
    return np.mean((np.array(teacher) - np.array(student)) ** 2, axis=-1)


@pytest.mark.parametrize(
    "loss",
    ["mse", "mae", "mape", "msle", "log_cosh", losses.Huber(0.3)],
    ids=["mse", "mae", "mape", "msle", "log_cosh", "huber"],
)
def test_values_are_compared_by_the_students_loss(loss):
    teacher, student = net(), net()
    expected = losses.get(loss)(teacher(X), student(X))
    found = taught(student, teacher, loss)
    assert found == pytest.approx(float(np.mean(expected)), rel=1e-4)


def test_values_are_no_classes_whatever_they_sum_to():
    # A softmax is the same for outputs that differ by a constant.
    student = net()
    found = taught(student, lambda x: student(x) + 2.0, losses.MeanSquaredError)
    assert found == pytest.approx(4.0, rel=1e-4)


@pytest.mark.parametrize("of_teacher", [None, "sigmoid", "function"])
@pytest.mark.parametrize("of_student", ["linear", "sigmoid", "layer", "code"])
def test_labels_are_matched_one_by_one(of_student, of_teacher):
    teacher, logits = net(), net()
    expected = by_label(teacher(X), logits(X)).mean()
    ends = {
        "sigmoid": [Activation("sigmoid")],
        "layer": [Activation("linear"), Activation("sigmoid", dtype="float32")],
        # A graph that does not tell, but for the loss.
        "code": [keras.layers.Lambda(lambda x: 1 / (1 + keras.ops.exp(-x)))],
    }
    student = net(logits, *ends.get(of_student, []))
    loss = losses.BinaryCrossentropy(from_logits=of_student == "linear")
    if of_teacher:
        teacher = net(teacher, Activation("sigmoid"))
    if of_teacher == "function":
        model, teacher = teacher, lambda x: model(x)
    found = taught(student, teacher, loss)
    assert found == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("loss", ["mse", "custom"])
def test_a_softmax_is_of_classes_whatever_its_loss(loss):
    teacher, logits = net(), net()
    expected = by_class(teacher(X), logits(X)).mean()
    if loss == "custom":
        loss = lambda y, z: keras.ops.mean(z, axis=-1)  # noqa: E731
    student = net(logits, keras.layers.Softmax())
    found = taught(student, teacher, loss)
    assert found == pytest.approx(expected, rel=1e-3)


def pair_of(structure):
    teacher, student = two(structure), two(structure)
    outputs = [model(X) for model in (teacher, student)]
    if not isinstance(outputs[0], dict):
        names = ("cls", "box")
        outputs = [dict(zip(names, found, strict=True)) for found in outputs]
    by = {
        "cls": by_class(*(found["cls"] for found in outputs)),
        "box": by_square(*(found["box"] for found in outputs)),
    }
    return teacher, student, by


CROSSENTROPY = losses.CategoricalCrossentropy(from_logits=True)
LOSSES = {"cls": CROSSENTROPY, "box": "mse"}
NOTHING = {"cls": np.zeros((16, 3)), "box": np.zeros((16, 3))}


def as_list(outputs):
    return [outputs["cls"], outputs["box"]]


def test_each_output_is_taught_by_its_own_loss_and_weight():
    teacher, student, by = pair_of(dict)
    weights = {"cls": 2.0, "box": 0.5}
    found = taught(student, teacher, LOSSES, NOTHING, loss_weights=weights)
    expected = 2 * by["cls"].mean() + 0.5 * by["box"].mean()
    assert found == pytest.approx(expected, rel=1e-4)
    # An output without a loss is not taught.
    some, labels = {"cls": CROSSENTROPY}, {"cls": NOTHING["cls"]}
    student.get_layer("box").trainable = False
    found = taught(student, teacher, {**some, "box": None}, labels)
    assert found == pytest.approx(by["cls"].mean(), rel=1e-4)


def test_each_output_has_its_weights_of_samples():
    teacher, student, by = pair_of(dict)
    weights = {"cls": WEIGHTS, "box": 3 * np.ones(16)}
    fit = {"sample_weight": weights}
    found = taught(student, teacher, LOSSES, NOTHING, fit)
    expected = np.mean(WEIGHTS * by["cls"]) + 3 * by["box"].mean()
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_teacher_may_return_its_outputs_in_another_structure():
    teacher, student, by = pair_of(as_list)
    expected = by["cls"].mean() + by["box"].mean()
    y = [NOTHING["cls"], NOTHING["box"]]

    def swapped(x):
        return dict(zip(("cls", "box"), teacher(x), strict=True))

    for source in (teacher, swapped):
        found = taught(student, source, list(LOSSES.values()), y)
        assert found == pytest.approx(expected, rel=1e-4)
    # The activation of an output goes with it: "box" comes first in a dict.
    probable = two(dict, ends=("softmax", None))
    model = two(as_list, names=("box", "cls"))
    for name in ("cls", "box"):
        layer = probable.get_layer(name)
        model.get_layer(name).set_weights(layer.get_weights())
    found = taught(model, probable, LOSSES, y)
    assert found == pytest.approx(0.0, abs=1e-5)
    with pytest.raises(ValueError, match="must have the same outputs"):
        taught(model, two(dict, names=("cls", "other")), LOSSES, y)


def test_an_ensemble_is_a_mean_of_what_it_says():
    teachers, student = [net(), net()], net()
    outputs = [np.array(teacher(X)) for teacher in teachers]
    mean = sum(outputs) / 2
    found = taught(student, teachers, "mse")
    expected = by_square(mean, student(X)).mean()
    assert found == pytest.approx(expected, rel=1e-4)
    found = taught(student, teachers, losses.BinaryCrossentropy(True))
    expected = by_label(mean, student(X)).mean()
    assert found == pytest.approx(expected, rel=1e-4)
    features = keras.distillation.FeatureDistillation("mse")
    found = taught(student, teachers, "mse", distillation_losses=features)
    expected = by_square(mean, student(X)).mean()
    assert found == pytest.approx(expected, rel=1e-4)


def test_outputs_may_have_no_axis_but_that_of_samples():
    flat = keras.layers.Reshape(())
    teacher, student = net(units=1), net(units=1)
    expected = by_square(teacher(X), student(X)).mean()
    for weights in (None, np.ones(16)):
        found = taught(
            net(student, flat),
            net(teacher, flat),
            "mse",
            fit={"sample_weight": weights},
        )
        assert found == pytest.approx(expected, rel=1e-4)


def test_a_sum_is_a_mean_in_a_lesson():
    teacher, student = net(), net()
    expected = by_square(teacher(X), student(X)).mean()
    found = taught(student, teacher, losses.MeanSquaredError("sum"))
    assert found == pytest.approx(expected, rel=1e-4)


def own(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


@pytest.mark.parametrize("loss", [own, None])
def test_a_loss_that_does_not_tell_is_refused_unless_it_is_told(loss):
    message = "does not tell whether.*Received: loss=.* for output 0"
    teacher, student = net(), net()
    with pytest.raises(ValueError, match=message):
        taught(student, teacher, loss)
    expected = by_class(teacher(X), student(X)).mean()
    if loss is not None:  # Keras has none then.
        found = taught(student, teacher, loss, from_logits=True)
        assert found == pytest.approx(expected, rel=1e-4)


def test_classes_on_another_axis_are_refused():
    loss = losses.CategoricalCrossentropy(from_logits=True, axis=0)
    with pytest.raises(ValueError, match="must be on the last axis"):
        taught(net(), net(), loss)


def test_a_softmax_does_not_teach_labels():
    with pytest.raises(ValueError, match="teacher ends in a softmax, of class"):
        teacher = net(net(), keras.layers.Softmax())
        taught(net(), teacher, losses.BinaryCrossentropy(True))


def test_a_loss_for_each_output_is_asked_for():
    teacher, student, _ = pair_of(dict)
    logits = keras.distillation.LogitsDistillation()
    message = "needs a loss, or None, for each output.*'cls': 'kl_divergence'"
    with pytest.raises(ValueError, match=message):
        taught(student, teacher, LOSSES, NOTHING, distillation_losses=logits)
