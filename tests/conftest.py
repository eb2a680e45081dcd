import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)
