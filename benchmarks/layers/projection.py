"""Projections of 128 tokens to 512 features, and a frozen embedding.

Latencies are medians over rounds in which the files take turns. Then: how far
the features that two words share are from the law of SimHash.
"""

import os
import pathlib
import re
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app
from absl import flags

import keras_eff
from keras_eff.layers.projection_layer import ProjectionLayer
from keras_eff.ops import hashing

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 7, "Rounds of latency measurements.")
flags.DEFINE_integer("pairs", 400, "Pairs of vectors for the law.")
flags.DEFINE_integer("features", 8192, "Features of each vector for the law.")

README = pathlib.Path(__file__).parents[2] / "README.md"
VOCABULARY = 30_000
SHAPES = {"128 ids": (128,), "128 words of 12": (128, 12)}
BUCKETS = (0, 45, 60, 75, 91)


def layers():
    """Each layer to measure, with the name of its input."""
    embedding = keras.layers.Embedding(VOCABULARY, 512, trainable=False)
    yield "128 ids", f"Embedding({VOCABULARY:,}, 512)", embedding
    for shape in SHAPES:
        for values in ("ternary", "binary", "sign"):
            yield shape, values, ProjectionLayer(512, values=values)


def print_files(folder):
    generator = np.random.default_rng(0)
    names, reports = [], []
    for shape, name, layer in layers():
        samples = generator.integers(1, VOCABULARY, (4, *SHAPES[shape]))
        inputs = keras.Input(SHAPES[shape], dtype="int32")
        names.append(f"{shape} | {name}")
        reports.append(
            keras_eff.export.to_tflite(
                keras.Model(inputs, layer(inputs)),
                folder / f"{len(names)}.tflite",
                samples=samples.astype("int32"),
            )
        )
    times = [
        [keras_eff.latency.measure(report.path).median_ms for report in reports]
        for _ in range(FLAGS.rounds)
    ]
    print("| input | layer | bytes | ms |\n|---|---|---|---|")
    for name, report, ms in zip(
        names, reports, np.median(times, axis=0), strict=True
    ):
        print(f"| {name} | {report.size_bytes:,} | {ms:.3f} |", flush=True)


def random_grams(generator):
    """Two rows of up to 40 hashes, of each as often as it is counted."""
    hashes = generator.integers(-(2**31), 2**31, generator.integers(3, 40))
    counts = generator.poisson(generator.uniform(0.3, 3), (2, len(hashes)))
    return [
        np.repeat(hashes, np.maximum(row, row.sum() == 0)) for row in counts
    ]


def word_grams(words, generator):
    """The n-grams of a word of the README and of another or an edited one."""
    first, second = generator.choice(words, 2, replace=False)
    if generator.integers(2):
        place = generator.integers(len(first))
        letter = generator.choice(list("etaoinshrdlu"))
        second = first[:place] + letter + first[place + 1 :]
    return [grams_of(word) for word in (first, second)]


def grams_of(word):
    codes = np.array([list(map(ord, word))], "int32")
    hashes, _ = hashing.hash_ngrams(keras.ops.convert_to_tensor(codes), 3, 0)
    return keras.ops.convert_to_numpy(hashes)[0]


def angle(rows):
    keys = np.unique(np.concatenate(rows))
    counts = [(row == keys[:, None]).sum(axis=1) for row in rows]
    norms = [np.sqrt(count @ count) for count in counts]
    return np.arccos(min(counts[0] @ counts[1] / np.prod(norms), 1.0))


def agreement(rows, seeds):
    """Share of equal features of two rows of hashes."""
    signs = []
    for row in rows:
        hashes = keras.ops.convert_to_tensor(row.astype("int32"))
        present = keras.ops.ones_like(hashes)
        signs.append(hashing.simhash_features(hashes, present, seeds))
    return float(keras.ops.mean(keras.ops.equal(*signs)))


def print_law(name, pairs, seeds):
    angles = np.array([angle(rows) for rows in pairs])
    expected = 1 - angles / np.pi
    found = np.array([agreement(rows, seeds) for rows in pairs])
    errors = np.sqrt(expected * (1 - expected) / FLAGS.features)
    for low, high in zip(BUCKETS, BUCKETS[1:], strict=False):
        chosen = (np.degrees(angles) >= low) & (np.degrees(angles) < high)
        deviations = (found - expected)[chosen]
        rms = np.sqrt(np.mean(deviations**2))
        sampling = np.sqrt(np.mean(errors[chosen] ** 2))
        print(
            f"| {name} | {low} to {high} | {chosen.sum()} | "
            f"{deviations.mean():+.4f} | {rms:.4f} | {sampling:.4f} | "
            f"{sampling * np.sqrt(FLAGS.features / 512):.4f} |",
            flush=True,
        )


def main(_):
    with tempfile.TemporaryDirectory() as folder:
        print_files(pathlib.Path(folder))
    generator = np.random.default_rng(0)
    words = sorted(set(re.findall("[A-Za-z]{2,}", README.read_text())))
    seeds = hashing.hash_seeds(0, FLAGS.features // 16)
    print(
        "\n| n-grams | degrees | pairs | mean deviation | rms | sampling error "
        "| the same of 512 features |\n|---|---|---|---|---|---|---|"
    )
    count = range(FLAGS.pairs)
    print_law("words", [word_grams(words, generator) for _ in count], seeds)
    print_law("random", [random_grams(generator) for _ in count], seeds)


if __name__ == "__main__":
    app.run(main)
