"""The columns of the survey's tables, and some beyond them.

Each is a way to come by a trained network of a width. The learning rate is the
same function of the share of the training that is over, whichever the column.
"""

import dataclasses
import pathlib
import tempfile

import keras

import keras_eff
from keras_eff.callbacks import DistillationTeacher
from keras_eff.callbacks import PruningScheduler
from keras_eff.schedules import PolynomialDecay

from ..image_data import ImageData
from ..training import Schedule
from ..training import train
from .augmented_images import Augmentation
from .augmented_images import AugmentedImages
from .augmented_images import TaughtImages
from .fused_normalization import with_fused_normalization
from .survey_family import HIDDEN
from .survey_family import build
from .survey_family import recipe
from .survey_teacher import build_teacher

PTQ, QAT, INT4_QAT = "int8 PTQ", "int8 QAT", "int4 QAT"
_INT8 = ("float32", PTQ, QAT)

# Chosen on validation images, by tune_survey.py.
SCHEDULE = Schedule(
    5e-3, batch_size=128, warmup=0.2, label_smoothing=0.0, averaging=0.99
)
_TEACHER_SCHEDULE = Schedule(
    5e-3, batch_size=128, warmup=0.2, label_smoothing=0.1, averaging=0.999
)
_SHIFT = 3
_TEACHER_AUGMENTATION = {"shift": 4, "erased": 8}
# Flips alone make two images of one; translation has no end of them.
_COPIES, _MIRRORED_COPIES = 10, 3
_SPARSITY = 0.8
_REMOVED = 0.5
_TEMPERATURE = 4.0
_LABELS_WEIGHT = 0.1
_TUNE_RATE, _QAT_RATE = 0.5, 0.1
_CALIBRATION = 512


@dataclasses.dataclass(frozen=True)
class Column:
    """A way to come by a trained network.

    Attributes:
        variant: String, of `survey_family.build`.
        augments: Whether it trains on augmented images.
        distills: Whether it has a teacher.
        start: String, the column whose trained network it starts from, or
            None for one with random weights.
        start_width: Float, of which width that is, relative to its own.
        change: String, what happens to that: "prune" or "remove channels".
        files: Tuple of strings, the files to make.
    """

    variant: str = "survey"
    augments: bool = True
    distills: bool = True
    start: str | None = None
    start_width: float = 1.0
    change: str | None = None
    files: tuple[str, ...] = _INT8


SURVEY_COLUMNS = ("baseline", "augmentation", "distillation")
COLUMNS = {
    "baseline": Column(augments=False, distills=False),
    "augmentation": Column(distills=False),
    "distillation": Column(),
    "bn first": Column("bn_first"),
    "slimmed": Column(
        "bn_first",
        start="bn first",
        start_width=2.0,
        change="remove channels",
        files=(*_INT8, INT4_QAT),
    ),
    # Without a teacher, which costs accuracy where trainings are short.
    "slimmed untaught": Column(
        distills=False,
        start="augmentation",
        start_width=2.0,
        change="remove channels",
        files=(*_INT8, INT4_QAT),
    ),
    "separable": Column("separable"),
    "pruned": Column(start="distillation", change="prune"),
}


@dataclasses.dataclass(frozen=True)
class Lab:
    """Trains networks, and keeps them in a folder.

    Attributes:
        data: The images.
        folder: Path of the folder.
        epochs: Integer, of networks with random weights.
        tune_epochs: Integer, of those that start from another.
        qat_epochs: Integer, of quantization-aware training.
        teacher_epochs: Integer.
        flips: Whether a mirrored image is as good.
        schedule: `Schedule` of networks with random weights; that of the
            others has a share of its rate.
    """

    data: ImageData
    folder: pathlib.Path
    epochs: int
    tune_epochs: int
    qat_epochs: int
    teacher_epochs: int = 24
    flips: bool = True
    schedule: Schedule = SCHEDULE

    def trained(self, name: str, width: float, seed: int) -> keras.Model:
        """A trained float network of a column, from the folder or made."""
        column = COLUMNS[name]
        path = self.folder / f"{_stem(name, width, seed)}.keras"
        return _kept(path, lambda: self._make(name, column, width, seed))

    def quantized(
        self, name: str, width: float, seed: int, file: str
    ) -> keras.Model:
        """A network of a column, quantized as a file is."""
        column = COLUMNS[name]
        model = self.trained(name, width, seed)
        keras.utils.set_random_seed(seed)
        num_bits = {HIDDEN: 4} if file == INT4_QAT else 8
        model = keras_eff.quantize(model, num_bits, input_range=(0, 255))
        keras_eff.calibrate(model, self.samples)
        if file != PTQ:
            run = (_stem(name, width, seed, file), self.qat_epochs, _QAT_RATE)
            self._train(model, column, width, seed, *run)
        return model

    @property
    def samples(self):
        """Training images that say how large activations get."""
        return self.data.train[0][:_CALIBRATION]

    def _make(self, name, column, width, seed):
        start = None
        if column.start is not None:
            wide = round(column.start_width * width, 6)
            start = self.trained(column.start, wide, seed)
        keras.utils.set_random_seed(seed)
        print(f"\n{name}, width {width:g}, seed {seed}", flush=True)
        if start is None:
            model = self._build(width, column.variant)
            run = (_stem(name, width, seed), self.epochs)
            return self._train(model, column, width, seed, *run)
        run = (_stem(name, width, seed), self.tune_epochs, _TUNE_RATE)
        if column.change == "remove channels":
            model = keras_eff.remove_channels(start, _REMOVED)
            return self._train(model, column, width, seed, *run)
        batches = -(-len(self.data.train[0]) // self.schedule.batch_size)
        steps = self.tune_epochs * batches
        schedule = PolynomialDecay(0.0, _SPARSITY, 0, max(steps // 2, 1))
        return self._train(
            keras_eff.prune(start, schedule),
            column,
            width,
            seed,
            *run,
            more=[PruningScheduler(interval=1)],
            first_epoch=self.tune_epochs // 2,
        )

    def _build(self, width, variant="survey"):
        shape = self.data.train[0].shape[1:]
        return build(width, shape, self.data.num_classes, variant)

    def _train(
        self,
        model,
        column,
        width,
        seed,
        stem,
        epochs,
        share=1.0,
        more=(),
        **way,
    ):
        schedule = dataclasses.replace(
            self.schedule, learning_rate=share * self.schedule.learning_rate
        )
        callbacks, dataset = list(more), None
        augmentation = self._augmentation(width)
        images, labels = self.data.train
        options = (augmentation, schedule.batch_size)
        if column.distills:
            dataset = TaughtImages(
                images,
                labels,
                self.teacher(),
                *options,
                self.folder / f"lessons_{augmentation.shift}",
                _COPIES if augmentation.shift else _MIRRORED_COPIES,
                seed,
            )
            callbacks.append(_teaching(dataset.stored))
        elif column.augments:
            dataset = AugmentedImages(images, labels, *options, seed)
        return self._run(
            model, stem, epochs, schedule, dataset, callbacks, **way
        )

    def _run(self, model, stem, epochs, schedule, dataset, callbacks=(), **way):
        fused = with_fused_normalization(model)
        train(
            fused,
            self.data,
            epochs,
            schedule,
            dataset=dataset,
            callbacks=callbacks,
            folder=self.folder / "under_way" / stem,
            # XLA takes twice as long for a step of these on CPUs.
            jit_compile=False,
            verbose=2,
            **way,
        )
        model.set_weights(fused.get_weights())
        return model

    def _augmentation(self, width):
        moves = recipe(width).translates or not self.flips
        return Augmentation(_SHIFT if moves else 0, self.flips)

    def teacher(self) -> keras.Model:
        """The network that the others learn from, from the folder or made."""
        return _kept(self.folder / "teacher.keras", self._make_teacher)

    def _make_teacher(self):
        print("\nteacher", flush=True)
        keras.utils.set_random_seed(0)
        images, labels = self.data.train
        augmentation = Augmentation(flips=self.flips, **_TEACHER_AUGMENTATION)
        schedule = _TEACHER_SCHEDULE
        batches = AugmentedImages(
            images, labels, augmentation, schedule.batch_size
        )
        model = build_teacher(images.shape[1:], self.data.num_classes)
        epochs = self.teacher_epochs
        return self._run(model, "teacher", epochs, schedule, batches)


def _teaching(stored):
    loss = keras.distillation.LogitsDistillation(
        temperature=_TEMPERATURE, loss=keras.losses.KLDivergence()
    )
    return DistillationTeacher(
        stored, loss, student_loss_weight=_LABELS_WEIGHT, from_logits=True
    )


def _kept(path, make):
    """A model in a file, made if there is none; never half of one."""
    if not path.exists():
        model = make()
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            draft = pathlib.Path(folder) / path.name
            model.save(draft)
            draft.replace(path)
    return keras.saving.load_model(path)


def _stem(name, *parts):
    return "_".join(map(str, (name, *parts))).replace(" ", "_")
