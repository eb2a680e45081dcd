"""What the schedule tests share: values over steps, by each way to call."""

import json

import keras
import numpy as np
import pytest
from keras import ops


@pytest.fixture
def check_values():
    """Checks the sparsity at each step against an independent loop."""

    def check(schedule, expected):
        expected = np.float64(expected)
        steps = np.arange(len(expected))
        close = {"rtol": 1e-12, "atol": 1e-15}
        np.testing.assert_allclose(schedule(steps), expected, **close)
        one_by_one = [schedule(step) for step in range(len(expected))]
        np.testing.assert_allclose(one_by_one, expected, **close)
        tensor = ops.arange(len(expected))
        traced = ops.vectorized_map(schedule, tensor)
        for values in (schedule(tensor), traced):
            assert keras.backend.standardize_dtype(values.dtype) == "float32"
            values = ops.convert_to_numpy(values)
            np.testing.assert_allclose(values, expected, rtol=3e-6, atol=3e-7)

    return check


@pytest.fixture
def check_config():
    """Checks that a schedule comes back from JSON, equal in all respects."""

    def check(schedule):
        serialized = keras.saving.serialize_keras_object(schedule)
        name = f"keras_eff>{type(schedule).__name__}"
        assert serialized["registered_name"] == name
        serialized = json.loads(json.dumps(serialized))
        clone = keras.saving.deserialize_keras_object(serialized)
        assert clone == schedule and hash(clone) == hash(schedule)
        assert clone.get_config() == schedule.get_config()

    return check
