import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_eff.graph.samples import batches
from keras_eff.graph.samples import check_samples
from keras_eff.graph.samples import random_samples
from keras_eff.layers import FakeQuant


def one_input(dtype="float32"):
    inputs = keras.Input((None, 3), name="x", dtype=dtype)
    return keras.Model(inputs, layers.Identity()(inputs))


def two_inputs(as_dict=False):
    ids = keras.Input((4,), dtype="int32", name="ids")
    image = keras.Input((2,), name="image")
    outputs = [
        layers.Embedding(7, 2)(ids),
        FakeQuant(fixed_range=(0, 1))(image),
    ]
    inputs = {"ids": ids, "image": image} if as_dict else [ids, image]
    return keras.Model(inputs, outputs)


IDS = np.zeros((5, 4), "int32")
IMAGES = np.full((5, 2), 0.5)


def test_one_array_is_enough_for_one_input():
    samples = np.ones((5, 2, 3))
    for given in (samples, [samples], {"x": samples}):
        (array,) = check_samples(one_input(), given)
        assert array.dtype == "float32" and array.shape == (5, 2, 3)


@pytest.mark.parametrize("as_dict", [False, True])
@pytest.mark.parametrize(
    "given",
    [(IDS, IMAGES), {"image": IMAGES, "ids": IDS}],
    ids=["list", "dict"],
)
def test_several_inputs_take_a_list_or_a_dict(as_dict, given):
    ids, images = check_samples(two_inputs(as_dict), given)
    assert (ids.dtype, images.dtype) == ("int32", "float32")


def test_integers_become_floats_where_the_model_takes_floats():
    pixels = np.full((5, 2, 3), 255, "uint8")
    (array,) = check_samples(one_input(), pixels)
    assert array.dtype == "float32" and array.max() == 255


@pytest.mark.parametrize(
    "samples, message",
    [
        (np.ones((0, 2, 3)), r"at least one sample.*\(0, 2, 3\)"),
        (np.ones((5, 2, 4)), r"\(samples, any, 3\) for input 'x'.*\(5, 2, 4\)"),
        (np.ones((5, 3)), r"\(samples, any, 3\).*shape \(5, 3\)"),
        (np.full((5, 2, 3), np.nan), "must be finite.*'x'"),
        (np.full((5, 2, 3), np.inf), "must be finite.*'x'"),
        (np.ones((5, 2, 3), bool), "dtype float32 for input 'x'.*bool"),
        (iter([1.0]), "what `fit` takes.*iterator"),
        ([np.ones((5, 2, 3)), np.ones(5)], r"each of \['x'\].*2 arrays"),
        ({"y": np.ones((5, 2, 3))}, r"keys \['x'\].*\['y'\]"),
    ],
)
def test_samples_that_do_not_fit_are_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        check_samples(one_input(), samples)


def test_inputs_must_have_as_many_samples_each():
    message = r"as many samples for each.*\(5, 4\).*\(3, 2\)"
    with pytest.raises(ValueError, match=message):
        check_samples(two_inputs(), [IDS, IMAGES[:3]])


def test_ids_must_be_integers():
    with pytest.raises(ValueError, match="dtype int32 for input 'ids'.*float"):
        check_samples(two_inputs(), [IDS.astype("float32"), IMAGES])


@pytest.fixture
def nameless():
    """A model of two inputs to which the user gave no names."""
    inputs = [keras.Input((2,)), keras.Input((2,))]
    return keras.Model(inputs, layers.Add()(inputs))


def test_inputs_without_a_name_are_called_as_in_files(nameless):
    names = ["input_layer", "input_layer_1"]
    with pytest.raises(ValueError, match=f"keys .'{names[0]}', '{names[1]}'"):
        check_samples(nameless, {"a": IMAGES, "b": IMAGES})
    with pytest.raises(ValueError, match=f"NaN.*input '{names[1]}'"):
        check_samples(nameless, [IMAGES, IMAGES * np.nan])
    of_keras = [tensor.name for tensor in nameless.inputs]
    assert set(of_keras).isdisjoint(names)
    for keys in (names, of_keras):
        given = dict(zip(keys, (IMAGES, 2.0 * IMAGES), strict=True))
        for samples in (given, tf.data.Dataset.from_tensor_slices(given)):
            first, second = check_samples(nameless, samples)
            assert (first.max(), second.max()) == (0.5, 1.0)


@pytest.mark.parametrize("as_dict", [False, True])
def test_batches_come_in_the_structure_that_the_model_takes(as_dict):
    model = two_inputs(as_dict)
    arrays = check_samples(model, [IDS, IMAGES])
    found = list(batches(model, arrays, 2))
    assert len(found) == 3
    images = [b["image"] if as_dict else b[1] for b in found]
    assert [len(x) for x in images] == [2, 2, 1]
    model(found[0])


def test_random_samples_fit_the_model_and_repeat():
    model = two_inputs()
    ids, images = random_samples(model, 20)
    again, _ = random_samples(model, 20)
    np.testing.assert_array_equal(ids, again)
    assert (ids.shape, ids.dtype) == ((20, 4), "int32")
    assert 0 <= ids.min() < ids.max() < 7
    assert 0 <= images.min() < images.max() <= 1
    (free,) = random_samples(one_input(), 4)
    assert free.shape == (4, 16, 3) and free.min() < 0
    (flags,) = random_samples(one_input("bool"), 4)
    assert flags.dtype == bool


X = np.arange(60.0, dtype="float32").reshape(10, 2, 3)
LABELS = np.arange(10)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 5

    def __getitem__(self, index):
        rows = slice(index * 2, index * 2 + 2)
        return X[rows], LABELS[rows]


def sources():
    slices = tf.data.Dataset.from_tensor_slices
    return {
        "batches with labels": slices((X, LABELS)).batch(4),
        "samples with labels": slices((X, LABELS)),
        "batches": slices(X).batch(4),
        "named": slices({"x": X}).batch(4),
        "weighted": slices((X, LABELS, LABELS)).batch(4),
        "PyDataset": Batches(),
        "generator": (x for x in X),
        "generator of batches with labels": (
            (X[i : i + 1], 0) for i in range(10)
        ),
        "representative_dataset": lambda: ([x[None]] for x in X),
        "pair": (X, LABELS),
        "triple": (X, LABELS, LABELS),
        "named pair": {"images": X, "y": LABELS},
        "list": list(X),
        "list of pairs": list(zip(X, LABELS, strict=True)),
        "list of batches": [X[:4], X[4:]],
        "tensor": tf.constant(X),
    }


@pytest.mark.parametrize("name", sources())
def test_what_fit_takes_is_taken(name):
    given = sources()[name]
    if name == "named pair":
        given = {"x": X, "y": LABELS}
        inputs = keras.Input((None, 3), name="images")
        model = keras.Model(inputs, layers.Identity()(inputs))
    else:
        model = one_input()
    (array,) = check_samples(model, given)
    np.testing.assert_array_equal(array, X)


@pytest.mark.parametrize("as_dict", [False, True])
def test_data_sets_of_several_inputs_are_taken(as_dict):
    ids, images = np.arange(20).reshape(5, 4) % 7, np.arange(10.0).reshape(5, 2)
    by_name, labels = {"ids": ids, "image": images}, np.zeros(5)
    slices = tf.data.Dataset.from_tensor_slices
    for given in (
        slices((by_name, labels)).batch(2),
        slices(by_name),
        slices(((ids, images), labels)).batch(2),
        slices((ids, images)).batch(2),
        ([i, x] for i, x in zip(ids, images, strict=True)),
        [{"ids": i, "image": x} for i, x in zip(ids, images, strict=True)],
        ((ids, images), labels),
        (by_name, labels),
    ):
        found = check_samples(two_inputs(as_dict), given)
        np.testing.assert_array_equal(found[0], ids)
        np.testing.assert_array_equal(found[1], images)


def test_of_a_data_set_without_end_the_first_are_taken(caplog):
    endless = tf.data.Dataset.from_tensor_slices(X).repeat().batch(10)
    (array,) = check_samples(one_input(), endless)
    assert len(array) == 520
    assert "first 520 of" in caplog.text
    caplog.clear()
    check_samples(one_input(), endless.take(50))
    assert not caplog.text


@pytest.mark.parametrize(
    "samples, message",
    [
        (iter([{"y": X}]), r"what `fit` takes.*\['x'\].*generator|iterator"),
        (tf.data.Dataset.from_tensors("a"), r"\[3\] dimensions.*EagerTensor"),
        (iter([]), "can be read once.*iterator"),
        ([X[0], X[0, :1]], r"one shape.*\(1, 3\), \(2, 3\)"),
        ("x.npy", "arrays of numbers.*builtins.str"),
        (None, "arrays of numbers.*NoneType"),
    ],
)
def test_sources_without_samples_are_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        check_samples(one_input(), samples)
