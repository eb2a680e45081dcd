import contextlib
import copy
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
from keras_eff.distillation import StoredOutputs
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
    names.add("train_on_batch")
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


def test_each_training_has_the_teacher_that_it_is_given(teacher):
    student = compiled(net(), 0.0, run_eagerly=False)
    found = [
        fit(student, DistillationTeacher(source))["distillation_loss"][0]
        for source in (teacher, lambda x: 50.0 * teacher(x), teacher)
    ]
    assert found[0] == pytest.approx(found[2]) and found[1] > 2 * found[0]


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
    pruning = PruningScheduler(interval=2)
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
    # A replica that the last batch leaves without samples has no mean.
    for name in ("unevenly", "unevenly_by_relations"):
        found = figures[f"replicated_{name}"]
        assert np.isfinite(list(found["logs"].values())).all()
        assert all(np.isfinite(weight).all() for weight in found["weights"])


def test_unknown_layers_are_refused(teacher):
    with pytest.raises(ValueError, match="teacher has no layer 'other'"):
        DistillationTeacher(teacher, HiddenCosine("other", "last"))
    teaching = DistillationTeacher(teacher, HiddenCosine("last", "other"))
    with pytest.raises(ValueError, match="student has no layer 'other'"):
        fit(compiled(net()), teaching)


@pytest.mark.parametrize("weight", [-0.1, 1.1, "0.5", lambda epoch: 2.0])
def test_a_student_loss_weight_out_of_range_is_refused(teacher, weight):
    with pytest.raises(ValueError, match="`student_loss_weight.* must be"):
        DistillationTeacher(teacher, student_loss_weight=weight)


@pytest.mark.parametrize("weight", [-1.0, None, lambda epoch: -1.0])
def test_a_negative_loss_weight_is_refused(teacher, weight):
    with pytest.raises(ValueError, match="`distillation_loss_weights.* must"):
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


class OfItsOwn(keras.Model):
    """Trains as `how` says; a batch is of inputs and labels."""

    how = None

    def train_step(self, data):
        x, y = data
        import tensorflow as tf

        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            if self.how == "own_loss":
                loss = tf.reduce_mean(LOSS(y, outputs))
            elif self.how == "without_x":
                loss = self.compute_loss(y=y, y_pred=outputs)
            else:
                loss = self.compute_loss(x=x, y=y, y_pred=outputs)
        weights = self.trainable_variables
        gradients = tape.gradient(loss, weights)
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        # As Keras's guide has it.
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, outputs)
        return {metric.name: metric.result() for metric in self.metrics}


@pytest.fixture
def of_its_own():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the step is one of TensorFlow")

    def build(how, **options):
        student = net()
        own = OfItsOwn(student.inputs[0], student.outputs[0])
        own.how = how
        return compiled(own, **options)

    return build


@pytest.mark.parametrize("is_eager", [True, False])
@pytest.mark.parametrize(
    "how, error, message",
    [
        ("own_loss", RuntimeError, "taught nothing.*OfItsOwn, which was trai"),
        ("without_x", ValueError, "compute_loss.x=x, y=y, .*OfItsOwn"),
    ],
)
def test_a_step_that_cannot_be_taught_is_refused(
    teacher, of_its_own, how, error, message, is_eager
):
    student = of_its_own(how, run_eagerly=is_eager, jit_compile=False)
    with pytest.raises(error, match=message):
        fit(student, DistillationTeacher(teacher))
    assert not overridden(student)


def test_a_step_that_asks_for_its_loss_is_taught(teacher, of_its_own):
    student, plain = of_its_own("as_keras"), compiled(net())
    plain.set_weights(student.get_weights())
    found = fit(student, DistillationTeacher(teacher), epochs=2)
    expected = fit(plain, DistillationTeacher(teacher), epochs=2)
    for name in ("student_loss", "distillation_loss"):
        assert found[name] == pytest.approx(expected[name], rel=1e-5)
    same_weights(student.get_weights(), plain.get_weights(), atol=1e-6)


class Reconstruction(keras.Model):
    """Needs no labels; its method has not all arguments of Keras's."""

    def compute_loss(self, x, y, y_pred, sample_weight=None):
        return keras.ops.mean(keras.ops.square(x[:, :3] - y_pred))


@pytest.mark.parametrize("y", [None, Y])
def test_a_loss_of_the_students_own_counts_with_and_without_labels(teacher, y):
    student = net()
    student = Reconstruction(student.inputs[0], student.outputs[0])
    student.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    loss = keras.distillation.FeatureDistillation("mse")
    teaching = DistillationTeacher(teacher, loss)
    history = student.fit(X, y, 64, verbose=0, callbacks=[teaching]).history
    expected = np.mean((X[:, :3] - np.array(student(X))) ** 2)
    assert history["student_loss"][0] == pytest.approx(expected, rel=1e-4)


def loop(student, *callbacks, hooks=("train", "epoch", "batch"), steps=4):
    """`train_on_batch`, as a loop of one's own calls it."""
    callbacks = keras.callbacks.CallbackList(list(callbacks), model=student)
    logs = []
    if "train" in hooks:
        callbacks.on_train_begin()
    if "epoch" in hooks:
        callbacks.on_epoch_begin(0)
    for i in range(steps):
        if "batch" in hooks:
            callbacks.on_train_batch_begin(i)
        rows = slice(16 * i, 16 * (i + 1))
        logs.append(student.train_on_batch(X[rows], Y[rows], return_dict=True))
        if "batch" in hooks:
            callbacks.on_train_batch_end(i, logs[-1])
    if "epoch" in hooks:
        callbacks.on_epoch_end(0)
    if "train" in hooks:
        callbacks.on_train_end()
    return logs


@pytest.mark.parametrize("hooks", [("train", "epoch", "batch"), ("batch",)])
def test_a_loop_of_train_on_batch_teaches_as_fit_does(teacher, hooks):
    student, twin = compiled(net()), compiled(net())
    twin.set_weights(student.get_weights())
    losses = [LogitsDistillation(), HiddenCosine("last", "last")]
    logs = loop(student, DistillationTeacher(teacher, losses), hooks=hooks)
    history = fit(twin, DistillationTeacher(teacher, losses))
    same_weights(student.get_weights(), twin.get_weights(), atol=1e-6)
    assert np.mean([found["distillation_loss"] for found in logs]) == (
        pytest.approx(history["distillation_loss"][0], rel=1e-4)
    )
    assert not overridden(student)
    plain = student.train_on_batch(X, Y, return_dict=True)
    assert plain.keys() == {"loss"}


def test_several_batches_of_one_turn_are_taught(teacher):
    student = compiled(net(), 0.0)
    teaching = DistillationTeacher(teacher)
    callbacks = keras.callbacks.CallbackList([teaching], model=student)
    callbacks.on_train_begin()
    callbacks.on_train_batch_begin(0)
    logs = [student.train_on_batch(X, Y, return_dict=True) for _ in range(2)]
    assert logs[0] == pytest.approx(logs[1])
    assert "distillation_loss" in logs[1]
    callbacks.on_train_batch_end(0)
    callbacks.on_train_end()
    assert not overridden(student)


@pytest.mark.parametrize("hooks", [("train",), ("train", "epoch")])
def test_a_loop_that_leaves_the_teacher_out_is_told_so(teacher, hooks):
    student = compiled(net())
    with pytest.raises(RuntimeError, match="must call `train_on_batch` of the"):
        loop(student, DistillationTeacher(teacher), hooks=hooks)
    assert not overridden(student)


def test_a_batch_that_others_trained_is_not_taken_for_a_taught_one(teacher):
    student = compiled(net())
    teaching = DistillationTeacher(teacher)
    teaching.set_model(student)
    teaching.on_train_batch_begin(0)
    with pytest.raises(RuntimeError, match="taught nothing"):
        teaching.on_train_batch_end(0)
    assert not overridden(student)


def test_no_epochs_are_left_to_train(teacher):
    assert fit(compiled(net()), DistillationTeacher(teacher), epochs=0) == {}


@pytest.mark.parametrize("is_eager", [True, False])
@pytest.mark.parametrize("activation", [None, "softmax"])
def test_a_student_may_be_built_by_its_first_batch(
    teacher, activation, is_eager
):
    def taught(*layers):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([*layers, keras.layers.Dense(3, activation)])
        loss = keras.losses.SparseCategoricalCrossentropy(activation is None)
        model.compile("sgd", loss, run_eagerly=is_eager, jit_compile=False)
        return fit(model, DistillationTeacher(teacher))

    wanted, found = taught(keras.Input((8,))), taught()
    for name, values in wanted.items():
        assert found[name] == pytest.approx(values, rel=1e-5)


def test_losses_between_layers_need_a_student_that_is_built(teacher):
    student = keras.Sequential([keras.layers.Dense(3, name="last")])
    teaching = DistillationTeacher(teacher, HiddenCosine("last", "last"))
    with pytest.raises(ValueError, match="student that is built: begin it"):
        fit(compiled(student), teaching)


def test_a_subclassed_student_is_taught_by_its_loss(teacher):
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, inputs):
            return self.dense(inputs)

    student = Subclassed()
    student(X)
    twin = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    twin.set_weights(student.get_weights())
    found, expected = (
        fit(compiled(model), DistillationTeacher(teacher))
        for model in (student, twin)
    )
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=1e-4)


def test_stored_outputs_need_their_targets(teacher, tmp_path):
    stored = StoredOutputs.collect(teacher, X, tmp_path)
    with pytest.raises(ValueError, match="`y=stored.targets"):
        fit(compiled(net()), DistillationTeacher(stored))


def test_copies_share_the_teacher_and_train_apart(teacher):
    connected = ConnectedFeatures("hidden", "hidden")
    huber = keras.distillation.FeatureDistillation(keras.losses.Huber(0.3))
    teaching = DistillationTeacher(teacher, [huber, connected], [1.0, 0.0])
    twin = copy.deepcopy(teaching)
    assert twin.teacher is teacher
    assert twin.distillation_losses[1] is not connected
    student = compiled(net(), 0.0)
    found, expected = (
        fit(student, callback)["distillation_loss"]
        for callback in (twin, teaching)
    )
    assert found == pytest.approx(expected)


def test_what_cannot_teach_is_refused():
    with pytest.raises(ValueError, match="Argument `teacher` must be a built"):
        DistillationTeacher(keras.Sequential([keras.layers.Dense(3)]))
