"""What a script measures in a process with two CPU devices."""

import json
import subprocess
import sys

import keras
import pytest


def measured_on_two_replicas(script):
    """The JSON that the script prints last."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf.distribute needs the TensorFlow backend")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
