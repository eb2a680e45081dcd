"""Losses of a batch, against NumPy: nothing is learned in these tests."""

import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.callbacks import DistillationTeacher
from keras_eff.distillation import ConnectedFeatures
from keras_eff.distillation import HiddenCosine
from keras_eff.distillation import SampleRelations
from keras_eff.distillation import StoredOutputs

RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 8)).astype("float32")
Y = RNG.integers(0, 3, 16)
WEIGHTS = RNG.random(16).astype("float32")
TOKENS = np.array([[1, 2, 3], [4, 5, 0], [6, 0, 0], [2, 4, 0]])
STEPS = np.array([[0, 1, 2], [2, 1, 0], [0, 0, 0], [1, 2, 1]])


def net(activation=None, classes=3, **options):
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(4, "tanh", name="hidden"),
            keras.layers.Dense(classes, activation, name="last", **options),
        ]
    )


def with_activation(model, activation):
    twin = net(activation, model.output_shape[-1])
    twin.set_weights(model.get_weights())
    return twin


def tagger(activation=None):
    """Classes for each token; 0 is none."""
    return keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Embedding(9, 4, mask_zero=True, name="embedding"),
            keras.layers.Dense(4, "tanh", name="hidden"),
            keras.layers.Dense(3, activation),
        ]
    )


def two_outputs(structure):
    inputs = keras.Input((8,))
    outputs = [keras.layers.Dense(n, name=f"of_{n}")(inputs) for n in (3, 2)]
    return keras.Model(inputs, structure(*outputs))


def compiled(student, loss=None, **options):
    if loss is None:
        is_linear = student.layers[-1].activation is keras.activations.linear
        loss = keras.losses.SparseCategoricalCrossentropy(is_linear)
    student.compile(
        keras.optimizers.SGD(0.0), loss, run_eagerly=True, **options
    )
    return student


def lesson(student, *arguments, x=X, y=Y, fit=None, weight=0.5, **options):
    """The logs of one batch at learning rate 0."""
    teaching = DistillationTeacher(
        *arguments, student_loss_weight=weight, **options
    )
    if not student.compiled:
        compiled(student)
    size = len(keras.tree.flatten(x)[0])
    history = student.fit(
        x, y, size, shuffle=False, verbose=0, callbacks=[teaching], **fit or {}
    )
    return {name: values[0] for name, values in history.history.items()}


def taught(*arguments, **options):
    return lesson(*arguments, **options)["distillation_loss"]


def log_softmax(logits, temperature=1.0):
    logits = np.array(logits) / temperature
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def crossentropies(student, x=X, y=Y):
    logs = log_softmax(student(x))
    return -np.take_along_axis(logs, y[..., None], axis=-1)[..., 0]


def divergences(teacher_logits, student_logits, temperature=3.0):
    teacher = log_softmax(teacher_logits, temperature)
    student = log_softmax(student_logits, temperature)
    gaps = np.exp(teacher) * (teacher - student)
    return temperature**2 * gaps.sum(axis=-1)


def features(model, name):
    extractor = keras.Model(model.inputs[0], model.get_layer(name).output)
    return np.array(extractor(X))


def test_the_loss_is_that_of_the_equation():
    teacher, student = net(), net(kernel_regularizer="l2")
    losses = [
        keras.distillation.LogitsDistillation(temperature=2.0),
        keras.distillation.FeatureDistillation("mse", "hidden", "hidden"),
    ]
    logs = lesson(student, teacher, losses, [2.0, 0.5], weight=0.25)
    logits = divergences(teacher(X), student(X), 2.0).mean()
    gaps = features(teacher, "hidden") - features(student, "hidden")
    expected = 2.0 * logits + 0.5 * np.mean(gaps**2)
    task = crossentropies(student).mean()
    kernel = student.get_weights()[2]
    added = 0.01 * np.sum(kernel**2)
    assert logs["distillation_loss"] == pytest.approx(expected, rel=1e-4)
    assert logs["student_loss"] == pytest.approx(task, rel=1e-5)
    total = added + 0.25 * task + 0.75 * expected
    assert logs["loss"] == pytest.approx(total, rel=1e-4)


def test_by_default_a_divergence_at_temperature_3_counts_half():
    teacher, student = net(), net()
    logs = lesson(student, teacher)
    expected = divergences(teacher(X), student(X), 3.0).mean()
    assert logs["distillation_loss"] == pytest.approx(expected, rel=1e-4)
    mean = (logs["student_loss"] + expected) / 2
    assert logs["loss"] == pytest.approx(mean, rel=1e-4)


def test_a_loss_may_be_between_the_outputs():
    teacher, student = net(), net()
    loss = taught(student, teacher, HiddenCosine())
    a, b = np.array(teacher(X)), np.array(student(X))
    cosines = np.sum(a * b, axis=1)
    cosines = cosines / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert loss == pytest.approx(np.mean(1 - cosines), rel=1e-4)


@pytest.mark.parametrize("given", ["vector", "column", "classes"])
def test_weights_of_samples_weigh_both_losses(given):
    teacher, student = net(), net()
    weights = WEIGHTS
    fit = {"sample_weight": weights}
    if given == "column":
        fit = {"sample_weight": weights[:, None]}
    if given == "classes":
        fit = {"class_weight": {0: 0.5, 1: 2.0, 2: 3.0}}
        weights = np.array([0.5, 2.0, 3.0])[Y]
    losses = [keras.distillation.LogitsDistillation(), HiddenCosine()]
    logs = lesson(student, teacher, losses, fit=fit)
    a, b = (np.array(model(X)) for model in (teacher, student))
    cosines = np.sum(a * b, axis=1)
    cosines = cosines / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    expected = np.mean(weights * (divergences(a, b) + 1 - cosines))
    assert logs["distillation_loss"] == pytest.approx(expected, rel=1e-4)
    task = np.mean(weights * crossentropies(student))
    assert logs["student_loss"] == pytest.approx(task, rel=1e-4)


def test_weights_of_samples_weigh_connected_features():
    teacher, student = net(), net()
    gaps = []
    for weights in (WEIGHTS, 2 * WEIGHTS):
        keras.utils.set_random_seed(1)
        connected = ConnectedFeatures("hidden", "hidden")
        fit = {"sample_weight": weights}
        gaps.append(taught(student, teacher, connected, fit=fit))
    assert gaps[1] == pytest.approx(2 * gaps[0], rel=1e-5)


def test_a_weight_is_for_all_outputs():
    teacher, student = (
        two_outputs(lambda a, b: [a, b]),
        two_outputs(lambda a, b: [a, b]),
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compiled(student, [loss, loss])
    logits = keras.distillation.LogitsDistillation(loss=["kl_divergence"] * 2)
    fit = {"sample_weight": WEIGHTS}
    logs = lesson(student, teacher, logits, y=[Y, Y % 2], fit=fit)
    pairs = zip(teacher(X), student(X), strict=True)
    by_sample = sum(divergences(a, b) for a, b in pairs)
    expected = np.mean(WEIGHTS * by_sample)
    assert logs["distillation_loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "activation, is_weighted", [(None, False), ("softmax", True)]
)
def test_masked_steps_do_not_count(activation, is_weighted):
    teacher, student = tagger(), tagger(activation)
    weights = WEIGHTS[:4] if is_weighted else np.ones(4)
    fit = {"sample_weight": weights[:, None]} if is_weighted else {}
    losses = [
        keras.distillation.LogitsDistillation(),
        HiddenCosine("hidden", "hidden"),
    ]
    logs = lesson(student, teacher, losses, x=TOKENS, y=STEPS, fit=fit)
    a, b = (
        np.array(keras.Model(m.inputs[0], m.get_layer("hidden").output)(TOKENS))
        for m in (teacher, student)
    )
    cosines = np.sum(a * b, axis=-1)
    cosines = cosines / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    outputs = np.array(student(TOKENS))
    logits = np.log(outputs) if activation else outputs
    by_step = divergences(teacher(TOKENS), logits) + 1 - cosines
    weights = weights[:, None] * (TOKENS > 0)
    expected = np.sum(weights * by_step) / np.sum(TOKENS > 0)
    assert logs["distillation_loss"] == pytest.approx(expected, rel=1e-4)
    logs_of_labels = np.take_along_axis(
        log_softmax(logits), STEPS[..., None], axis=-1
    )[..., 0]
    task = -np.sum(weights * logs_of_labels) / np.sum(TOKENS > 0)
    assert logs["student_loss"] == pytest.approx(task, rel=1e-4)


@pytest.mark.parametrize(
    "structure", [lambda a, b: [a, b], lambda a, b: {"a": a, "b": b}]
)
def test_outputs_may_be_a_structure(structure):
    teacher, student = two_outputs(structure), two_outputs(structure)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compiled(student, structure(loss, loss))
    logits = keras.distillation.LogitsDistillation(
        3.0, structure("kl_divergence", None)
    )
    logs = lesson(student, teacher, logits, y=structure(Y, Y % 2))
    pair = [keras.tree.flatten(model(X))[0] for model in (teacher, student)]
    expected = divergences(*pair).mean()
    assert logs["distillation_loss"] == pytest.approx(expected, rel=1e-4)


def test_inputs_may_be_a_structure():
    def build():
        names = ("left", "right")
        inputs = {name: keras.Input((8,), name=name) for name in names}
        joined = keras.layers.Concatenate()(list(inputs.values()))
        hidden = keras.layers.Dense(4, name="hidden")(joined)
        return keras.Model(inputs, keras.layers.Dense(3)(hidden))

    teacher, student = build(), build()
    x = {"left": X, "right": -X}
    loss = keras.distillation.FeatureDistillation("mse", "hidden", "hidden")
    found = taught(student, teacher, loss, x=x)
    a, b = (
        np.hstack([X, -X]) @ model.get_layer("hidden").get_weights()[0]
        for model in (teacher, student)
    )
    assert found == pytest.approx(np.mean((a - b) ** 2), rel=1e-4)


@pytest.mark.parametrize(
    "of_student, of_teacher, is_told, is_function",
    [
        (None, "softmax", False, False),
        ("softmax", None, False, True),
        ("softmax", "softmax", False, False),
        ("softmax", "softmax", True, False),
        (None, "softmax", False, True),
        (None, "softmax", True, True),
        ("softmax", None, True, True),
    ],
)
def test_logits_and_probabilities_teach_the_same(
    of_student, of_teacher, is_told, is_function
):
    keras.utils.set_random_seed(3)
    teacher, student = net(), net()
    expected = divergences(teacher(X), student(X)).mean()
    model = with_activation(teacher, of_teacher)
    told = (of_teacher is None, of_student is None) if is_told else None
    loss = taught(
        with_activation(student, of_student),
        (lambda x: model(x, training=False)) if is_function else model,
        from_logits=told,
    )
    assert loss == pytest.approx(expected, rel=1e-3)


def test_one_boolean_is_for_both():
    teacher, student = net(), net()
    expected = divergences(teacher(X), student(X)).mean()
    loss = taught(student, teacher, from_logits=True)
    assert loss == pytest.approx(expected, rel=1e-4)
    pair = [with_activation(model, "softmax") for model in (student, teacher)]
    loss = taught(*pair, from_logits=False)
    assert loss == pytest.approx(expected, rel=1e-3)


def test_a_quantized_student_may_end_in_a_softmax():
    teacher = net()
    student = keras_eff.quantize(net("softmax"), 4)
    student = keras_eff.calibrate(student, X)
    loss = keras.losses.SparseCategoricalCrossentropy()
    compiled(student, loss)
    found = taught(student, teacher)
    logits = np.log(np.array(student(X, training=False)))
    expected = divergences(teacher(X), logits).mean()
    # In training, the ranges move.
    assert found == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    "of_student, of_teacher",
    [(None, None), ("sigmoid", None), (None, "sigmoid")],
)
def test_one_unit_is_two_classes(of_student, of_teacher):
    teacher, student = net(classes=1), net(classes=1)
    pair = [
        np.concatenate([np.zeros((16, 1)), np.array(model(X))], axis=1)
        for model in (teacher, student)
    ]
    student = with_activation(student, of_student)
    compiled(student, keras.losses.BinaryCrossentropy(not of_student))
    y = (Y > 0).astype("float32")[:, None]
    loss = taught(student, with_activation(teacher, of_teacher), y=y)
    assert loss == pytest.approx(divergences(*pair).mean(), rel=1e-3)


def test_several_sigmoids_are_refused():
    logits = keras.distillation.LogitsDistillation()
    with pytest.raises(ValueError, match="student ends in a sigmoid of 3"):
        taught(compiled(net("sigmoid"), "mse"), net(), logits, y=np.eye(3)[Y])
    with pytest.raises(ValueError, match="teacher ends in a sigmoid of 3"):
        taught(net(), net("sigmoid"))


def test_several_sigmoids_may_be_compared_as_features():
    student = compiled(net("sigmoid"), "mse")
    loss = keras.distillation.FeatureDistillation("mse")
    assert taught(student, net("sigmoid"), loss, y=np.eye(3)[Y]) > 0


@pytest.mark.parametrize("told", [True, (False, True), (None, True)])
def test_a_softmax_is_not_taken_for_logits(told):
    with pytest.raises(ValueError, match="student ends in a softmax"):
        taught(net("softmax"), net("softmax"), from_logits=told)


@pytest.mark.parametrize("told", [(True, False), (True, None)])
def test_a_softmax_of_the_teacher_is_not_taken_for_logits(told):
    with pytest.raises(ValueError, match="teacher ends in a softmax"):
        taught(net("softmax"), net("softmax"), from_logits=told)


def test_outputs_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(16, 4\) of the teacher, \(16, 3"):
        taught(net(), net(classes=4))


def test_features_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="`HiddenCosine` needs hidden states"):
        taught(net(), net(), HiddenCosine("hidden", "last"))


def test_connected_features_of_another_shape_are_refused():
    student = compiled(tagger())
    teacher = keras.Sequential(
        [keras.Input((3,)), keras.layers.Embedding(9, 4, name="hidden")]
    )
    connected = ConnectedFeatures("hidden", "hidden")
    taught(student, teacher, connected, x=TOKENS, y=STEPS)
    other = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Embedding(9, 4),
            keras.layers.Reshape((6, 2), name="hidden"),
        ]
    )
    with pytest.raises(ValueError, match="but for the last axis"):
        taught(student, other, connected, x=TOKENS, y=STEPS)


def test_the_teacher_may_get_other_inputs():
    student = compiled(net())
    student.evaluate(X[:2], Y[:2], verbose=0)
    teacher = net()
    logs = lesson(student, teacher, y={"labels": Y, "teacher": 2 * X})
    expected = divergences(teacher(2 * X), student(X)).mean()
    assert logs["distillation_loss"] == pytest.approx(expected, rel=1e-4)
    task = crossentropies(student).mean()
    assert logs["student_loss"] == pytest.approx(task, rel=1e-4)


@pytest.mark.parametrize(
    "is_weighted, has_inputs", [(False, False), (True, False), (True, True)]
)
def test_some_samples_have_no_label_that_counts(is_weighted, has_inputs):
    student = compiled(net())
    student.evaluate(X[:2], Y[:2], verbose=0)
    teacher, labelled = net(), RNG.random(16) < 0.5
    y = {"labels": Y, "labelled": labelled}
    if has_inputs:
        y["teacher"] = X
    weights = WEIGHTS if is_weighted else np.ones(16)
    fit = {"sample_weight": WEIGHTS} if is_weighted else {}
    logs = lesson(student, teacher, y=y, fit=fit)
    by_sample = divergences(teacher(X), student(X))
    expected = np.mean(weights * by_sample)
    assert logs["distillation_loss"] == pytest.approx(expected, rel=1e-4)
    task = np.mean(weights * labelled * crossentropies(student))
    assert logs["student_loss"] == pytest.approx(task, rel=1e-4)


def test_labels_of_several_outputs_may_not_count():
    def structure(a, b):
        return [a, b]

    student, teacher = two_outputs(structure), two_outputs(structure)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compiled(student, [loss, loss])
    labels = [Y, Y % 2]
    student.evaluate(X[:2], [y[:2] for y in labels], verbose=0)
    labelled = RNG.random(16) < 0.5
    logits = keras.distillation.LogitsDistillation(loss=["kl_divergence"] * 2)
    y = {"labels": labels, "labelled": labelled}
    logs = lesson(student, teacher, logits, y=y)
    task = 0
    for outputs, y in zip(student(X), labels, strict=True):
        logs_of = np.take_along_axis(log_softmax(outputs), y[:, None], 1)[:, 0]
        task -= np.mean(labelled * logs_of)
    assert logs["student_loss"] == pytest.approx(task, rel=1e-4)


@pytest.mark.parametrize("y", [None, {"teacher": X}])
def test_without_labels_the_teacher_alone_teaches(y):
    student = compiled(net(), metrics=["accuracy"])
    student.evaluate(X[:2], Y[:2], verbose=0)
    teacher = net()
    logs = lesson(student, teacher, y=y, weight=0.25)
    expected = divergences(teacher(X), student(X)).mean()
    assert logs["distillation_loss"] == pytest.approx(expected, rel=1e-4)
    assert logs["loss"] == pytest.approx(0.75 * expected, rel=1e-4)
    assert logs["student_loss"] == 0.0
    assert "accuracy" not in logs


def test_metrics_are_of_the_labels():
    student = compiled(net(), metrics=["accuracy"])
    student.evaluate(X[:2], Y[:2], verbose=0)
    logs = lesson(student, net(), y={"labels": Y, "teacher": 2 * X})
    predicted = np.array(student(X)).argmax(axis=1)
    assert logs["accuracy"] == pytest.approx(np.mean(predicted == Y))


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_stored_outputs_teach_what_the_teacher_does(tmp_path, activation):
    teacher, student = net(activation), compiled(net())
    live = taught(student, teacher)
    stored = StoredOutputs.collect(teacher, X, tmp_path)
    found = taught(student, stored, y=stored.targets(X, Y))
    assert found == pytest.approx(live, rel=1e-4)


def test_stored_outputs_of_a_structure_teach_what_the_teacher_does(tmp_path):
    def structure(a, b):
        return {"a": a, "b": b}

    teacher, student = two_outputs(structure), two_outputs(structure)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compiled(student, structure(loss, loss))
    labels = structure(Y, Y % 2)
    student.evaluate(X, labels, verbose=0)
    logits = keras.distillation.LogitsDistillation(
        3.0, structure("kl_divergence", "kl_divergence")
    )
    for fit in ({}, {"sample_weight": WEIGHTS}):
        live = taught(student, teacher, logits, y=labels, fit=fit)
        stored = StoredOutputs.collect(teacher, X, tmp_path)
        y = stored.targets(X, labels)
        found = taught(student, stored, logits, y=y, fit=fit)
        assert found == pytest.approx(live, rel=1e-4)


def test_relations_of_samples_may_be_between_layers_of_another_width():
    teacher, student = net(), net()
    relations = SampleRelations("last", "hidden")
    expected = relations.compute_loss(
        np.array(teacher(X)), features(student, "hidden")
    )
    loss = taught(student, teacher, relations, fit={"sample_weight": WEIGHTS})
    assert loss == pytest.approx(float(expected), rel=1e-4)
