import keras
import numpy as np
import pytest

from keras_eff.callbacks import DistillationTeacher
from keras_eff.callbacks import PruningScheduler
from support.image_data import ImageData
from support.survey import survey_columns
from support.survey.survey_columns import COLUMNS
from support.survey.survey_columns import INT4_QAT
from support.survey.survey_columns import PTQ
from support.survey.survey_columns import QAT
from support.survey.survey_columns import Lab
from support.survey.survey_family import HIDDEN


@pytest.fixture
def calls(monkeypatch):
    """What `train` was asked for; nothing is trained."""
    found = []

    def note(model, data, epochs, schedule, dataset, callbacks=(), **more):
        kinds = {type(callback) for callback in callbacks}
        found.append((epochs, schedule.learning_rate, dataset, kinds))
        return model

    monkeypatch.setattr(survey_columns, "train", note)
    return found


@pytest.fixture
def lab(tmp_path):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (64, 8, 8, 3)).astype("uint8")
    pair = (images, np.arange(64) % 10)
    return Lab(ImageData(pair, pair, pair, 10), tmp_path, 8, 4, 2)


def test_columns_differ_in_what_they_are_called_for(lab, calls):
    for name in ("baseline", "augmentation", "distillation"):
        lab.trained(name, 0.05, 0)
    # The last column makes the teacher first.
    assert [epochs for epochs, *_ in calls] == [8, 8, 24, 8]
    batches = [type(dataset).__name__ for _, _, dataset, _ in calls]
    assert batches == [
        "NoneType",
        "AugmentedImages",
        "AugmentedImages",
        "TaughtImages",
    ]
    kinds = [found for *_, found in calls]
    assert kinds == [set(), set(), set(), {DistillationTeacher}]


def test_a_network_is_made_once(lab, calls):
    first = lab.trained("baseline", 0.05, 0).get_weights()
    again = lab.trained("baseline", 0.05, 0).get_weights()
    other = lab.trained("baseline", 0.05, 1).get_weights()
    assert len(calls) == 2
    np.testing.assert_array_equal(first[0], again[0])
    assert np.abs(first[0] - other[0]).max() > 0
    kept = sorted(path.name for path in lab.folder.iterdir())
    assert kept == ["baseline_0.05_0.keras", "baseline_0.05_1.keras"]


def test_nothing_is_left_of_a_training_that_was_stopped(lab, monkeypatch):
    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(survey_columns, "train", stop)
    with pytest.raises(KeyboardInterrupt):
        lab.trained("baseline", 0.05, 0)
    assert list(lab.folder.iterdir()) == []


def test_slimmed_networks_have_half_the_channels_of_a_wider_one(lab, calls):
    wide = lab.trained("bn first", 0.1, 0)
    slim = lab.trained("slimmed", 0.05, 0)
    pairs = [
        (a.filters, b.filters)
        for a, b in zip(wide.layers, slim.layers, strict=True)
        if isinstance(a, keras.layers.Conv2D)
    ]
    assert pairs == [(32, 16)] * 2 + [(6, 3)] * 2 + [(13, 7)] * 2
    # The teacher comes first.
    assert [epochs for epochs, *_ in calls] == [24, 8, 4]


def test_pruned_networks_are_pruned_while_they_train(lab, calls):
    lab.trained("pruned", 0.05, 0)
    assert calls[-1][0] == 4
    assert calls[-1][-1] == {PruningScheduler, DistillationTeacher}


@pytest.mark.parametrize("file, num_bits", [(QAT, 8), (INT4_QAT, 4)])
def test_quantized_networks_train_on(lab, calls, file, num_bits):
    model = lab.quantized("baseline", 0.05, 0, file)
    assert calls[-1][:2] == (2, 0.1 * calls[0][1])
    [rounding] = model.get_layer(HIDDEN).transforms
    assert rounding.num_bits == num_bits


def test_post_training_quantization_does_not_train(lab, calls):
    lab.quantized("baseline", 0.05, 0, PTQ)
    assert len(calls) == 1


def test_augmentation_follows_the_width(lab, calls):
    for width in (0.1, 0.25):
        assert lab._augmentation(width).flips
    assert [lab._augmentation(w).shift for w in (0.1, 0.25)] == [0, 3]


def test_every_column_starts_from_one_that_is_there():
    starts = {column.start for column in COLUMNS.values()} - {None}
    assert starts <= set(COLUMNS)
