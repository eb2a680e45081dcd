"""Labelled texts for the examples, in splits that are the same in every run."""

import collections
import csv
import dataclasses
import os
import pathlib

import numpy as np

# Shares of the lines of each class; the rest is for training.
_TEST, _VALIDATION = 0.2, 0.1

Split = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class TextData:
    """Pairs (texts, labels); choose by `validation`, report `test`.

    Texts are object arrays of strings, labels int64 arrays of positions in
    `class_names`.
    """

    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]

    @property
    def splits(self) -> dict[str, Split]:
        """The pairs by name."""
        names = ("train", "validation", "test")
        return {name: getattr(self, name) for name in names}


def load_texts(
    tfds_name: str | None = None,
    csv_path: str | os.PathLike | None = None,
    train_size: int | None = None,
) -> TextData:
    """Loads labelled texts: by default lines of chatterbot-corpus.

    Those are to be told by their language. A line comes once, in any case of
    its letters, and not at all if several languages have it. These lines, and
    those of a CSV file, are split 70/10/20 within each class.

    Args:
        tfds_name: String, a text set of tensorflow-datasets, such as
            "imdb_reviews". Validation is a tenth of its "train".
        csv_path: Path of a CSV file in UTF-8 with the columns `text` and
            `label`. Give one of the two at most.
        train_size: Integer, how many training texts to keep; by default all.
    """
    if tfds_name and csv_path:
        raise ValueError(
            "Give `tfds_name` or `csv_path`, not both. Received: "
            f"tfds_name={tfds_name!r}, csv_path={os.fspath(csv_path)!r}"
        )
    if tfds_name:
        data = _load_tfds(tfds_name)
    elif csv_path:
        data = _split_rows(_read_csv(pathlib.Path(csv_path)))
    else:
        data = _split_rows(_distinct(_chatterbot_rows()))
    first = tuple(array[:train_size] for array in data.train)
    return dataclasses.replace(data, train=first)


def _chatterbot_rows():
    """Yields (line, language)."""
    try:
        import chatterbot_corpus
        import yaml
    except ImportError as error:
        raise ImportError(
            "Language identification needs the packages chatterbot-corpus "
            "and PyYAML: pip install chatterbot-corpus PyYAML"
        ) from error
    root = pathlib.Path(chatterbot_corpus.__file__).parent / "data"
    # The loader in C, where PyYAML has it, is ten times as fast.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for path in sorted(root.glob("*/*.yml")):
        document = yaml.load(path.read_text(encoding="utf-8"), loader)
        for conversation in document["conversations"]:
            # A few are a string: one of no answers, which is left out.
            lines = conversation if isinstance(conversation, list) else ()
            for line in lines:
                if isinstance(line, str) and line.strip():
                    yield " ".join(line.split()), path.parent.name


def _distinct(rows):
    """Drops what a class has already, and what several classes have."""
    first, classes = {}, collections.defaultdict(set)
    for text, name in rows:
        first.setdefault(text.casefold(), (text, name))
        classes[text.casefold()].add(name)
    return [row for key, row in first.items() if len(classes[key]) == 1]


def _read_csv(path):
    """A list of (text, class name)."""
    if not path.is_file():
        raise FileNotFoundError(
            f"Argument `csv_path` must name a file. Received: csv_path={path}"
        )
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if not {"text", "label"} <= set(reader.fieldnames or ()):
            raise ValueError(
                "The CSV file must have the columns `text` and `label` in its "
                f"first line. Received: {path} with {reader.fieldnames}"
            )
        return [(row["text"], row["label"]) for row in reader]


def _split_rows(rows):
    texts, names = zip(*rows, strict=True)
    class_names, labels = np.unique(names, return_inverse=True)
    rest, test = _hold_out((_array(texts), labels), _TEST)
    train, validation = _hold_out(rest, _VALIDATION / (1 - _TEST))
    return TextData(train, validation, test, tuple(map(str, class_names)))


def _hold_out(split, share):
    """Two splits, mixed, the second with `share` of each class."""
    texts, labels = split
    generator = np.random.default_rng(0)
    is_held = np.zeros(len(labels), bool)
    for label in range(max(labels) + 1):
        rows = generator.permutation(np.flatnonzero(labels == label))
        is_held[rows[: round(share * len(rows))]] = True
    mixed = generator.permutation(len(labels))
    parts = mixed[~is_held[mixed]], mixed[is_held[mixed]]
    return [(texts[rows], labels[rows]) for rows in parts]


def _load_tfds(name):
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            "Text sets by name need the package tensorflow-datasets: "
            "pip install tensorflow-datasets"
        ) from error
    builder = tfds.builder(name)
    builder.download_and_prepare()
    features = builder.info.features
    text = _of_type(features, tfds.features.Text)
    label = _of_type(features, tfds.features.ClassLabel)
    if not (text and label and {"train", "test"} <= set(builder.info.splits)):
        raise ValueError(
            "Argument `tfds_name` must be a set with a text, a class label, "
            f"and the splits 'train' and 'test'. Received: tfds_name={name!r} "
            f"with {features} and splits {list(builder.info.splits)}"
        )
    train, test = (
        _read_tfds(builder, split, text, label) for split in ("train", "test")
    )
    train, validation = _hold_out(train, _VALIDATION)
    return TextData(train, validation, test, tuple(features[label].names))


def _of_type(features, kind):
    """The first feature of a type; that of a pair of texts is its first."""
    found = [key for key in features if isinstance(features[key], kind)]
    return found[0] if found else None


def _read_tfds(builder, split, text, label):
    rows = list(builder.as_dataset(split=split).as_numpy_iterator())
    labels = np.array([row[label] for row in rows])
    if labels.min() < 0:
        raise ValueError(
            f"The split {split!r} of `tfds_name` must have its labels. "
            f"Received: {builder.name} with labels {np.unique(labels)}"
        )
    return _array([row[text].decode() for row in rows]), labels


def _array(texts):
    return np.array(texts, dtype=object)
