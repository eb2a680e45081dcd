import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from keras_eff import text

SPLITS = [text.Words(3, 4), text.Characters(5, form="NFD", lowercase=False)]
each_split = pytest.mark.parametrize("split", SPLITS, ids=repr)
TEXTS = ["Grüß Gott", "नमस्ते दुनिया", "👩\u200d👧", "", "東京"]


def in_batches(split, texts, batch_size):
    dataset = tf.data.Dataset.from_tensor_slices(texts).batch(batch_size)
    return dataset.map(text.in_dataset(split))


def values(dataset):
    return np.concatenate(list(dataset.as_numpy_iterator()))


@each_split
@hypothesis.settings(deadline=None, max_examples=25, derandomize=True)
@hypothesis.given(st.lists(st.text(), min_size=1, max_size=20))
def test_values_are_those_of_numpy(split, texts):
    found = values(in_batches(split, texts, batch_size=8))
    np.testing.assert_array_equal(found, split(texts))
    assert found.dtype == np.int32


@each_split
def test_bytes_that_are_not_text_give_the_values_of_numpy(split):
    texts = [b"\xff a", b"\xed\xa0\x80", b"a\0b"]
    found = values(in_batches(split, texts, batch_size=2))
    np.testing.assert_array_equal(found, split(texts))


@each_split
def test_single_texts_are_taken(split):
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS)
    dataset = dataset.map(text.in_dataset(split))
    assert dataset.element_spec == tf.TensorSpec(split.shape, tf.int32)
    found = np.stack(list(dataset.as_numpy_iterator()))
    np.testing.assert_array_equal(found, split(TEXTS))


@each_split
def test_shape_is_static(split):
    spec = in_batches(split, TEXTS, batch_size=2).element_spec
    assert spec == tf.TensorSpec((None, *split.shape), tf.int32)


@each_split
def test_texts_of_any_shape_are_taken(split):
    texts = np.array(TEXTS)[:4].reshape(2, 2)
    found = text.in_dataset(split)(texts)
    assert found.shape == (2, 2, *split.shape)
    np.testing.assert_array_equal(found, split(texts))


def test_an_empty_batch_is_taken():
    found = text.in_dataset(SPLITS[0])(tf.zeros((0,), tf.string))
    assert found.shape == (0, 3, 4)


def test_it_goes_with_labels_and_parallel_calls():
    words = text.in_dataset(SPLITS[0])
    dataset = tf.data.Dataset.from_tensor_slices((TEXTS, range(5))).batch(2)
    dataset = dataset.map(
        lambda texts, labels: (words(texts), labels), num_parallel_calls=2
    )
    points, labels = map(np.concatenate, zip(*dataset, strict=True))
    np.testing.assert_array_equal(points, SPLITS[0](TEXTS))
    assert labels.tolist() == [0, 1, 2, 3, 4]


def test_what_does_not_split_text_is_refused():
    message = (
        "`split` must be a .* Received: split='words' of type builtins.str"
    )
    with pytest.raises(TypeError, match=message):
        text.in_dataset("words")


def test_a_tensor_that_is_not_of_strings_is_refused():
    message = "a tensor of strings. Received: a tensor of dtype int32"
    with pytest.raises(TypeError, match=message):
        text.in_dataset(SPLITS[0])(tf.zeros((2,), tf.int32))
