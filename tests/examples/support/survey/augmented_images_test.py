import keras
import numpy as np
import pytest

from support.survey.augmented_images import Augmentation
from support.survey.augmented_images import AugmentedImages
from support.survey.augmented_images import TaughtImages


@pytest.fixture
def images():
    random = np.random.default_rng(0)
    return random.integers(1, 256, (50, 6, 8, 3)).astype("uint8")


def test_each_image_is_moved_by_itself_and_filled_with_zeros(images):
    moved = Augmentation(shift=2)(images, np.random.default_rng(0))
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    windows = [
        {
            (top, left)
            for top in range(5)
            for left in range(5)
            if np.array_equal(image, whole[top : top + 6, left : left + 8])
        }
        for image, whole in zip(moved, padded, strict=True)
    ]
    assert all(len(places) == 1 for places in windows)
    assert len(set.union(*windows)) > 15


def test_half_of_the_images_are_mirrored(images):
    flipped = Augmentation(flips=True)(images, np.random.default_rng(0))
    is_same = (flipped == images).all((1, 2, 3))
    is_mirrored = (flipped == images[:, :, ::-1]).all((1, 2, 3))
    assert (is_same | is_mirrored).all()
    assert 15 < is_mirrored.sum() < 35


def test_a_square_is_erased_and_cut_at_the_edge(images):
    erased = Augmentation(erased=4)(images, np.random.default_rng(0))
    hidden = (erased == 0).all(-1)
    assert np.array_equal(erased[~hidden], images[~hidden])
    sizes = [(h.any(1).sum(), h.any(0).sum(), h.sum()) for h in hidden]
    assert all(rows * columns == area for rows, columns, area in sizes)
    assert {(4, 4), (2, 4)} <= {size[:2] for size in sizes}


def test_an_epoch_has_each_image_once(images):
    labels = np.arange(50)
    batches = AugmentedImages(images, labels, Augmentation(), 16)
    orders = []
    for _ in range(2):
        parts = [batches[i] for i in range(len(batches))]
        found = np.concatenate([y for _, y in parts])
        pixels = np.concatenate([x for x, _ in parts])
        np.testing.assert_array_equal(pixels, images[found])
        assert sorted(found) == list(range(50))
        orders.append(tuple(found))
        batches.on_epoch_end()
    assert orders[0] != orders[1]


def test_copies_come_with_what_the_teacher_says_of_them(images, tmp_path):
    teacher = keras.Sequential(
        [
            keras.Input((6, 8, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    labels = np.arange(50)
    options = (teacher, Augmentation(1, True), 16, tmp_path, 3)
    batches = TaughtImages(images, labels, *options, seed=1)
    again = TaughtImages(images, labels, *options, seed=2)
    drawn = []
    for batch in (batches[0], batches[3], again[0]):
        pixels, targets = batch
        np.testing.assert_allclose(
            targets["teacher"], teacher(pixels), rtol=1e-4, atol=1e-4
        )
        drawn.append(tuple(targets["labels"]))
    assert len(drawn[1]) == 2
    assert drawn[0] != drawn[2]
