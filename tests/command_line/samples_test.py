import zipfile

import numpy as np
import pytest
import tensorflow as tf

from keras_eff.command_line.samples import arrange
from keras_eff.command_line.samples import load_samples

A = np.arange(6.0).reshape(3, 2)
B = np.arange(3)


def test_no_path_means_no_samples():
    assert load_samples(None) is None


def test_a_npy_file_is_an_array(tmp_path):
    np.save(tmp_path / "x.npy", A)
    np.testing.assert_array_equal(load_samples(tmp_path / "x.npy"), A)


def test_named_arrays_are_a_dict(tmp_path):
    np.savez(tmp_path / "x.npz", b=B, a=A)
    loaded = load_samples(tmp_path / "x.npz")
    assert set(loaded) == {"a", "b"}
    np.testing.assert_array_equal(loaded["a"], A)


def test_nameless_arrays_are_a_list_in_order(tmp_path):
    np.savez(tmp_path / "x.npz", *(np.full(2, i) for i in range(11)))
    loaded = load_samples(tmp_path / "x.npz")
    assert [int(array[0]) for array in loaded] == list(range(11))


def test_an_array_that_is_alone_may_have_any_name(tmp_path):
    np.savez(tmp_path / "x.npz", odd=A)
    np.testing.assert_array_equal(load_samples(tmp_path / "x.npz"), A)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file .*x.npy"):
        load_samples(tmp_path / "x.npy")


def test_a_file_of_another_kind_is_an_error(tmp_path):
    (tmp_path / "text").write_text("text")
    (tmp_path / "empty").touch()
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("a", "text")
    for name in ("text", "empty", "objects.npy", "zip"):
        with pytest.raises(
            ValueError, match="npy or .npz.*Received: .*" + name
        ):
            load_samples(tmp_path / name)


def test_samples_are_arranged_by_name():
    one, other = arrange({"b": B, "a": A}, ["a", "b"], [2, 1])
    assert one is A and other is B


@pytest.mark.parametrize("samples", [A, [A]], ids=["array", "list"])
def test_one_input_takes_the_one_array(samples):
    (array,) = arrange(samples, ["a"], [2])
    assert array is A


def test_other_names_are_an_error():
    with pytest.raises(ValueError, match="called a, b. Received: a, c"):
        arrange({"a": A, "c": B}, ["a", "b"], [2, 1])


def test_another_number_of_arrays_is_an_error():
    with pytest.raises(ValueError, match="2 arrays, for a, b. Received: 1"):
        arrange(A, ["a", "b"], [2, 1])


def test_a_folder_of_tf_data_is_a_data_set(tmp_path):
    dataset = tf.data.Dataset.from_tensor_slices((A, B)).batch(2)
    dataset.save(str(tmp_path / "saved"))
    loaded = load_samples(tmp_path / "saved")
    (array,) = arrange(loaded, ["a"], [2])
    np.testing.assert_array_equal(array, A)
    with pytest.raises(ValueError, match="Dataset.save.*Received: .*"):
        load_samples(tmp_path)
