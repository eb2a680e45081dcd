import contextlib
import json
import pathlib
import re
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

import keras_eff
from keras_eff.callbacks import DistillationTeacher
from keras_eff.callbacks import PruningScheduler
from keras_eff.distillation import ConnectedFeatures
from keras_eff.distillation import HiddenCosine
from keras_eff.distillation import SampleRelations
from keras_eff.distillation import Stage
from keras_eff.schedules import ConstantSparsity

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 8)).astype("float32")
Y = RNG.integers(0, 3, 64)
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
LogitsDistillation = keras.distillation.LogitsDistillation


def net():
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(4, "tanh", name="hidden"),
            keras.layers.Dense(3, name="last"),
        ],
        name="student",
    )


def compiled(student, learning_rate=0.1, **options):
    options = {"run_eagerly": True, **options}
    student.compile(keras.optimizers.SGD(learning_rate), LOSS, **options)
    return student


def fit(student, *callbacks, epochs=1, **options):
    """Four steps an epoch."""
    return student.fit(
        X,
        Y,
        16,
        epochs,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
        **options,
    ).history


def same_weights(first, second, **tolerance):
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


def overridden(model):
    """The methods of a model that it has as its own."""
    names = {"call", "compute_loss", "compute_metrics", "make_train_function"}
    return names & vars(model).keys()


@pytest.fixture(scope="module")
def teacher():
    keras.utils.set_random_seed(7)
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(16, "relu", name="hidden"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3, name="last"),
        ]
    )


def test_it_equals_the_distiller_of_keras(teacher):
    student = compiled(net())
    twin = keras.models.clone_model(student)
    twin.set_weights(student.get_weights())
    frozen = keras.models.clone_model(teacher)
    frozen.set_weights(teacher.get_weights())
    losses = [
        # With its default, Keras compares logits, not probabilities.
        LogitsDistillation(2.0, keras.losses.KLDivergence()),
        keras.distillation.FeatureDistillation("mse"),
    ]
    distiller = keras.distillation.Distiller(
        frozen, twin, losses, [1.0, 0.5], student_loss_weight=0.3
    )
    compiled(distiller)
    fit(distiller, epochs=2)
    fit(
        student, DistillationTeacher(teacher, losses, [1.0, 0.5], 0.3), epochs=2
    )
    same_weights(student.get_weights(), twin.get_weights(), atol=1e-5)


def test_a_student_learns_what_the_teacher_knows(teacher):
    student = compiled(net())
    teaching = DistillationTeacher(teacher, student_loss_weight=0.0)
    losses = fit(student, teaching, epochs=2)["distillation_loss"]
    assert losses[-1] < losses[0]


def test_the_teacher_is_left_as_it_was(teacher):
    before = teacher.get_weights()
    teacher.get_layer("hidden").trainable = False
    try:
        flags = [layer.trainable for layer in teacher.layers]
        losses = [LogitsDistillation(), HiddenCosine("last", "last")]
        fit(compiled(net()), DistillationTeacher(teacher, losses))
        assert [layer.trainable for layer in teacher.layers] == flags
    finally:
        teacher.get_layer("hidden").trainable = True
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def names_in(path):
    """The files in a saved model, and how many weights it has."""
    with zipfile.ZipFile(path) as archive:
        sizes = {i.filename: i.file_size for i in archive.infolist()}
        del sizes["metadata.json"]
        return sizes


def test_nothing_of_the_teacher_is_in_the_student(teacher, tmp_path):
    student = compiled(net())
    count = student.count_params()
    losses = [LogitsDistillation(), ConnectedFeatures("hidden", "hidden")]

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            assert self.model.count_params() == count
            self.model.save(tmp_path / "watched.keras")

    fit(
        student,
        DistillationTeacher(teacher, losses),
        keras.callbacks.ModelCheckpoint(tmp_path / "checkpoint.keras"),
        Watch(),
    )
    assert student.count_params() == count
    student.save(tmp_path / "after.keras")
    plain = compiled(net())
    fit(plain)
    plain.save(tmp_path / "plain.keras")
    expected = names_in(tmp_path / "plain.keras")
    for name in ("checkpoint", "watched", "after"):
        path = tmp_path / f"{name}.keras"
        assert names_in(path) == expected
        loaded = keras.saving.load_model(path)
        same_weights(loaded.get_weights(), student.get_weights())


def test_a_student_converts_to_the_file_of_a_plain_one(teacher, tmp_path):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("to_tflite needs the TensorFlow backend")
    student = compiled(net())
    losses = [LogitsDistillation(), HiddenCosine("last", "last")]
    fit(student, DistillationTeacher(teacher, losses))
    plain = net()
    plain.set_weights(student.get_weights())
    export = pytest.importorskip("keras_eff.export")
    files = []
    for i, model in enumerate((student, plain)):
        path = tmp_path / f"{i}.tflite"
        export.to_tflite(model, path)
        # Keras numbers the names of what it makes.
        files.append(re.sub(rb"[0-9]", b"0", path.read_bytes()))
    assert files[0] == files[1]


def test_validation_is_plain(teacher):
    student = compiled(net(), metrics=["accuracy"])
    history = fit(
        student, DistillationTeacher(teacher), validation_data=(X[:32], Y[:32])
    )
    names = {"loss", "accuracy", "student_loss", "distillation_loss"}
    assert history.keys() == names | {"val_loss", "val_accuracy"}
    loss, accuracy = student.evaluate(X[:32], Y[:32], verbose=0)
    assert history["val_loss"][0] == pytest.approx(loss, rel=1e-5)
    assert history["val_accuracy"][0] == pytest.approx(accuracy)


def test_weights_follow_the_epoch(teacher):
    student = compiled(net(), 0.0)
    teaching = DistillationTeacher(
        teacher,
        [LogitsDistillation(), HiddenCosine("last", "last")],
        [Stage(1, weight=2.0), lambda epoch: float(epoch < 2)],
        lambda epoch: epoch / 2,
    )
    history = fit(student, teaching, epochs=3)
    cosine, both, logits = history["distillation_loss"]
    assert both == pytest.approx(cosine + logits, rel=1e-5)
    assert logits == pytest.approx(
        2 * fit(student, DistillationTeacher(teacher))["distillation_loss"][0]
    )
    task = history["student_loss"]
    assert task[0] == pytest.approx(task[2], rel=1e-5)
    expected = [cosine, (task[0] + both) / 2, task[0]]
    assert history["loss"] == pytest.approx(expected, rel=1e-5)


def test_logs_are_means_of_the_epoch(teacher):
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(dict(logs))

    teaching = DistillationTeacher(teacher)
    history = fit(compiled(net(), 0.0), teaching, Watch(), epochs=2)
    assert history["loss"][0] == pytest.approx(history["loss"][1], rel=1e-5)
    for name in ("student_loss", "distillation_loss"):
        assert history[name] == pytest.approx([seen[3][name]] * 2, rel=1e-5)
        assert seen[0][name] == pytest.approx(seen[4][name], rel=1e-5)


def test_an_ensemble_of_one_teacher_is_that_teacher(teacher):
    student = compiled(net(), 0.0)
    one = fit(student, DistillationTeacher(teacher))
    two = fit(student, DistillationTeacher([teacher, teacher]))
    assert one["loss"] == pytest.approx(two["loss"], rel=1e-5)


class Stop(Exception):
    pass


class Interruption(keras.callbacks.Callback):
    """Ends a training at the second call of one of its methods."""

    def __init__(self, moment, error=None):
        super().__init__()
        self.error = error
        self.calls = 0
        setattr(self, moment, self.end)

    def end(self, step, logs=None):
        self.calls += 1
        if self.calls == 2 and self.error is None:
            self.model.stop_training = True
        elif self.calls == 2:
            raise self.error


@pytest.mark.parametrize(
    "moment, error",
    [
        ("on_train_batch_end", None),
        ("on_train_batch_end", Stop),
        ("on_train_batch_end", KeyboardInterrupt),
        ("on_train_batch_begin", KeyboardInterrupt),
        ("on_epoch_begin", Stop),
        ("teacher", Stop),
    ],
)
def test_an_interrupted_training_leaves_a_plain_model(teacher, moment, error):
    student, plain = compiled(net()), compiled(net())
    weights, metrics = student.get_weights(), student.metrics_names
    interruption = Interruption(moment, error)
    losses = [LogitsDistillation(), HiddenCosine("last", "last")]
    source = teacher
    if moment == "teacher":
        losses.pop()

        def source(inputs):
            interruption.end(None)
            return teacher(inputs, training=False)

    teaching = DistillationTeacher(source, losses)
    with contextlib.suppress(Stop, KeyboardInterrupt):
        fit(student, teaching, interruption, epochs=2)
    assert interruption.calls >= 2
    # If the batch that began never came, the next `fit` makes it plain.
    if moment != "on_train_batch_begin":
        assert not overridden(student)
        assert student.train_function != teaching._train_on_batch
    student.set_weights(weights)
    plain.set_weights(weights)
    history, expected = fit(student), fit(plain)
    assert history.keys() == {"loss"}
    assert history["loss"] == pytest.approx(expected["loss"])
    assert not overridden(student)
    if keras.backend.backend() != "jax" or moment == "on_train_batch_begin":
        assert student.metrics_names == metrics
    same_weights(student.get_weights(), plain.get_weights(), atol=1e-6)


def test_a_training_may_be_taken_up_by_the_same_teacher(teacher):
    students = [compiled(net()), compiled(net())]
    students[1].set_weights(students[0].get_weights())
    teaching = DistillationTeacher(teacher)
    fit(students[0], teaching, epochs=2)
    fit(students[1], teaching)
    fit(students[1], teaching)
    same_weights(*(s.get_weights() for s in students), atol=1e-6)


@pytest.fixture(scope="module")
def trained(teacher):
    """Weights after training from the same ones, stepped in some way."""

    def train(**options):
        keras.utils.set_random_seed(1)
        student = compiled(net(), **options)
        losses = [
            LogitsDistillation(),
            SampleRelations("hidden", "hidden"),
            ConnectedFeatures("hidden", "hidden"),
        ]
        fit(student, DistillationTeacher(teacher, losses), epochs=2)
        return student.get_weights()

    return train


@pytest.fixture(scope="module")
def trained_eagerly(trained):
    return trained()


@pytest.mark.parametrize(
    "options",
    [
        {"jit_compile": True},
        {"jit_compile": False, "steps_per_execution": 4},
    ],
)
def test_a_compiled_step_learns_the_same(trained, trained_eagerly, options):
    found = trained(run_eagerly=False, **options)
    same_weights(found, trained_eagerly, atol=1e-4)


def test_half_precision_learns_about_the_same(teacher):
    student = compiled(net())
    weights = student.get_weights()
    losses = [LogitsDistillation(), ConnectedFeatures("hidden", "hidden")]
    keras.utils.set_random_seed(1)
    expected = fit(student, DistillationTeacher(teacher, losses))
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = compiled(net())
    finally:
        keras.config.set_dtype_policy("float32")
    half.set_weights(weights)
    keras.utils.set_random_seed(1)
    found = fit(half, DistillationTeacher(teacher, losses))
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=0.02)


def test_it_goes_with_quantization_and_pruning(teacher):
    student = keras_eff.prune(net(), ConstantSparsity(0.5), skip=())
    student = keras_eff.quantize(student, 4)
    pruning = PruningScheduler(frequency=2)
    teaching = DistillationTeacher(teacher)
    for callbacks in ([pruning, teaching], [teaching, pruning]):
        compiled(student)
        history = fit(student, *callbacks)
        assert history["sparsity"][-1] == pytest.approx(0.5, abs=0.02)
        assert history["distillation_loss"][0] > 0


def test_replicas_learn_what_one_does():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf.distribute needs the TensorFlow backend")
    script = pathlib.Path(__file__).with_name("two_students.py")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    alone, replicated = figures["alone"], figures["replicated"]
    assert replicated["logs"] == pytest.approx(alone["logs"], rel=1e-4)
    same_weights(alone["weights"], replicated["weights"], atol=1e-5)


def test_unknown_layers_are_refused(teacher):
    with pytest.raises(ValueError, match="teacher has no layer 'other'"):
        DistillationTeacher(teacher, HiddenCosine("other", "last"))
    teaching = DistillationTeacher(teacher, HiddenCosine("last", "other"))
    with pytest.raises(ValueError, match="student has no layer 'other'"):
        fit(compiled(net()), teaching)


@pytest.mark.parametrize("weight", [-0.1, 1.1, "0.5", lambda epoch: 2.0])
def test_a_student_loss_weight_out_of_range_is_refused(teacher, weight):
    with pytest.raises(ValueError, match="`student_loss_weight` must be"):
        DistillationTeacher(teacher, student_loss_weight=weight)


@pytest.mark.parametrize("weight", [-1.0, None, lambda epoch: -1.0])
def test_a_negative_loss_weight_is_refused(teacher, weight):
    with pytest.raises(ValueError, match="weight of a distillation loss must"):
        DistillationTeacher(teacher, distillation_loss_weights=[weight])


@pytest.mark.parametrize("weights", [1.0, [], [1.0, 1.0]])
def test_each_loss_needs_a_weight(teacher, weights):
    with pytest.raises(ValueError, match="a weight for each of the 1 losses"):
        DistillationTeacher(teacher, distillation_loss_weights=weights)


@pytest.mark.parametrize("losses", ["mse", [keras.losses.KLDivergence()]])
def test_other_losses_are_refused(teacher, losses):
    with pytest.raises(TypeError, match="must hold `keras.distillation.Dist"):
        DistillationTeacher(teacher, losses)


def test_no_losses_are_refused(teacher):
    with pytest.raises(ValueError, match="must hold a loss or more"):
        DistillationTeacher(teacher, [])


def test_what_cannot_teach_is_refused():
    with pytest.raises(ValueError, match="Argument `teacher` must be a built"):
        DistillationTeacher(keras.Sequential([keras.layers.Dense(3)]))
