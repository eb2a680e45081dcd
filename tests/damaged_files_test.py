"""Damaged files end in an error, and never end the process that reads them."""

import keras
import numpy as np
import pytest

import keras_eff

ERRORS = (ValueError, RuntimeError)
SAMPLES = np.random.default_rng(0).standard_normal((4, 8, 8, 1), "float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )


@pytest.fixture(scope="module")
def contents(model, tmp_path_factory):
    """The bytes of a float and of an int8 file."""
    path = tmp_path_factory.mktemp("whole") / "m.tflite"
    found = []
    for quantize in (None, "int8"):
        keras_eff.export.to_tflite(model, path, quantize, SAMPLES)
        found.append(path.read_bytes())
    return found


def damaged(contents, number):
    """A file that is cut off, has a flipped bit, noise, or wrong numbers."""
    generator = np.random.default_rng(number)
    data = contents[number % 2]
    place = int(generator.integers(len(data)))
    if number % 3 == 0:
        return data[:place]
    if number % 4 == 1:
        return with_numbers(data, generator)
    changed = np.frombuffer(data, np.uint8).copy()
    if number % 3 == 1:
        changed[place] ^= 64
    else:
        size = len(changed[place : place + 20])
        changed[place : place + size] = generator.integers(0, 256, size)
    return changed.tobytes()


def with_numbers(data, generator):
    """Sizes, indices and offsets, which are small, become what they cannot be.

    Those of tables, that is: the numbers of weights are large.
    """
    changed = np.frombuffer(data[: len(data) // 4 * 4], np.int32).copy()
    (places,) = np.nonzero(np.abs(changed.astype(np.int64)) < 2**12)
    numbers = (0, 1, 7, 2**15, 2**24 - 1, 2**31 - 1, -1, -2, -(2**31))
    changed[generator.choice(places, 2)] = generator.choice(numbers, 2)
    return changed.tobytes()


def readers(model):
    runner = keras_eff.latency.LiteRT(warmup_runs=0, warmup_min_s=0.0)
    return {
        "inspect": keras_eff.export.inspect,
        "lint": keras_eff.export.lint_edgetpu,
        "measure": lambda path: keras_eff.latency.measure(
            path, num_runs=1, runner=runner
        ),
        "compare": lambda path: keras_eff.export.execute(path, [SAMPLES]),
        "debug": lambda path: keras_eff.export.debug(model, path, SAMPLES),
    }


# The last three start a process for each file that they can parse.
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("inspect", 100),
        ("lint", 100),
        ("measure", 12),
        ("compare", 12),
        ("debug", 12),
    ],
)
def test_a_damaged_file_is_an_error_or_still_whole(
    name, count, model, contents, tmp_path
):
    read = readers(model)[name]
    path = tmp_path / "damaged.tflite"
    whole = 0
    for number in range(count):
        path.write_bytes(damaged(contents, number))
        try:
            # Neither does its report fail.
            str(read(path))
        except ERRORS:
            continue
        # What is cut off cannot be whole.
        assert number % 3
        whole += 1
    # Of a dozen, chance may leave none whole.
    assert (whole or count < 100) and whole < count / 2
