import numpy as np
import pytest
import tensorflow as tf

from keras_eff.export.saved_dataset import load_dataset


def test_what_was_saved_is_read(tmp_path):
    dataset = tf.data.Dataset.from_tensor_slices(np.arange(3))
    dataset.save(str(tmp_path / "saved"))
    found = load_dataset(tmp_path / "saved")
    assert list(found.as_numpy_iterator()) == [0, 1, 2]


def test_another_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="Dataset.save.*Received: /"):
        load_dataset(tmp_path)
