"""What damaged files do to those who read, lint, measure and compare them.

Real files are cut off, get bits flipped or bytes replaced by noise, and go to
each function that takes a file. A clean error and, where the damage is in the
values of a weight, which no reader can know, a result, are right; anything
else is a row of its own: another exception, or an end of this process, of which
the table would then be missing.
"""

import collections
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags

import keras_eff

flags.DEFINE_integer("mutations", 1000, "Damaged files for each function.")
flags.DEFINE_integer("seed", 0, "Seed of the damage.")
FLAGS = flags.FLAGS

_CLEAN = (ValueError, RuntimeError)
_KINDS = ("cut off", "bits flipped", "noise")


def files(folder):
    """A float and an int8 file of one network, its samples and itself."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.DepthwiseConv2D(3),
            keras.layers.Conv2D(64, 3, strides=2),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    samples = np.random.default_rng(0).normal(size=(8, 12, 12, 1))
    samples = samples.astype("float32")
    paths = [str(folder / f"{name}.tflite") for name in ("float", "int8")]
    keras_eff.export.to_tflite(model, paths[0], samples=samples)
    keras_eff.export.to_tflite(model, paths[1], "int8", samples)
    return model, samples, [pathlib.Path(path).read_bytes() for path in paths]


def damaged(data, kind, generator):
    if kind == "cut off":
        return data[: generator.integers(len(data))]
    changed = np.frombuffer(data, np.uint8).copy()
    count = int(2 ** generator.integers(0, 6))
    places = generator.integers(0, len(data), count)
    if kind == "bits flipped":
        changed[places] ^= 1 << generator.integers(0, 8, count, np.uint8)
    else:
        start = places[0]
        noise = generator.integers(0, 256, len(changed) - start, np.uint8)
        changed[start : start + 64 * count] = noise[: 64 * count]
    return changed.tobytes()


def readers(model, samples):
    """The functions that take a file, as functions of its path alone."""
    export = keras_eff.export
    runner = keras_eff.latency.LiteRT(
        warmup_runs=0, warmup_min_s=0.0, timeout_s=30.0
    )
    return {
        "inspect": export.inspect,
        "lint": export.lint_edgetpu,
        "measure": lambda path: keras_eff.latency.measure(
            path, num_runs=1, runner=runner
        ),
        "compare": lambda path: export.execute(path, [samples], 30.0),
        "debug": lambda path: export.debug(model, path, samples),
    }


def outcome(read, path):
    try:
        read(path)
    except _CLEAN as error:
        return "killed in its process" if _died(error) else "error"
    except Exception as error:
        return f"other exception: {type(error).__name__}"
    return "result"


def _died(error):
    return "died of signal" in str(error)


def main(_):
    print(
        "| function | damage | files | error | of which a crash of the child"
        " | result (the file is still whole) | anything else |"
    )
    print("|---" * 7 + "|")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model, samples, contents = files(folder)
        for function, read in readers(model, samples).items():
            generator = np.random.default_rng(FLAGS.seed)
            counts = {kind: collections.Counter() for kind in _KINDS}
            for number in range(FLAGS.mutations):
                kind = _KINDS[number % len(_KINDS)]
                data = contents[number % len(contents)]
                path = folder / "damaged.tflite"
                path.write_bytes(damaged(data, kind, generator))
                counts[kind][outcome(read, str(path))] += 1
            for kind, seen in counts.items():
                print(_row(function, kind, seen), flush=True)


def _row(function, kind, seen):
    crashes = seen.pop("killed in its process", 0)
    errors = seen.pop("error", 0) + crashes
    results = seen.pop("result", 0)
    total = errors + results + sum(seen.values())
    rest = ", ".join(f"{n} {name}" for name, n in seen.items()) or "0"
    cells = (function, kind, total, errors, crashes, results, rest)
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    app.run(main)
