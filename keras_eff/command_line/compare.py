import dataclasses
import pathlib

import click
import numpy as np

import keras_eff
from keras_eff.command_line.keras_model import load_model
from keras_eff.command_line.keras_model import quiet_tensorflow
from keras_eff.command_line.options import json_option
from keras_eff.command_line.reading import reading
from keras_eff.command_line.samples import arrange
from keras_eff.command_line.samples import samples_option
from keras_eff.command_line.table import Column
from keras_eff.command_line.table import format_json
from keras_eff.command_line.table import format_rows
from keras_eff.program import CHECK_FAILED

_RANDOM_SAMPLES = 16
_BATCH = 32
_KERNELS = ("delegate", "builtin")
_COLUMNS = (
    Column("kernels", "kernels"),
    Column("output", "output"),
    Column("max difference", "max_abs_error", ",.4g"),
    Column("mean, share of max", "mean_share", ",.4g"),
    Column("mean, LSB", "mean_lsb", ",.4g"),
    Column("top-1 agreement", "agreement", ".4f"),
    Column("R2", "r2", ",.4f"),
    Column("worst channel", "worst_channel"),
    Column("its R2", "worst_channel_r2", ",.4g"),
)


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B.tflite")
@samples_option(
    "Random samples by default if A is a .keras file; two .tflite files need "
    "it."
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0.0),
    help="Mean difference, as a share of the largest output of A, above which "
    "the exit code is 1.",
)
@click.option(
    "--min_agreement",
    type=click.FloatRange(0.0, 1.0),
    help="Agreement of each output with that of A below which the exit code "
    "is 1, as in keras-eff convert.",
)
@json_option
def compare(first, second, samples, tolerance, min_agreement, as_json):
    """Compare what a file computes with a model or another file.

    A is a .keras model or a .tflite file. Both are run on the samples; B under
    the default delegate and under the builtin kernels, and A too if it is a
    file. The mean difference is given as a share of the largest output of A,
    and in steps of the integers of B's output (LSB); R2, the coefficient of
    determination, is 1 where B follows A and 0 or less where it may as well be
    constant. With --tolerance and --min_agreement the exit code is 1 if B is
    further away.

    \b
    Examples:
      keras-eff compare model.keras model.tflite --samples=x.npy
      keras-eff compare float.tflite int8.tflite --samples=x.npy \\
        --tolerance=0.03
    """
    names, _ = _inputs(second)
    is_model = pathlib.Path(first).suffix == ".keras"
    reference = (_from_model if is_model else _from_file)(first, samples)
    found = _comparisons(reference, second, names)
    verdicts = {
        "tolerance": _is_within(found.values(), tolerance),
        "min_agreement": _agrees(found.values(), min_agreement),
    }
    result = {
        "a": first,
        "b": second,
        "num_samples": len(reference.samples[0]),
        "is_random": samples is None,
        "kernels": [_row(*each) for each in found.items()],
        "outputs": [row for each in found.items() for row in _by_output(*each)],
        "tolerance": tolerance,
        "min_agreement": min_agreement,
        "passed": all(verdicts.values()),
    }
    print(format_json(result) if as_json else _text(result, verdicts))
    return 0 if result["passed"] else CHECK_FAILED


def _is_within(comparisons, limit):
    # Written so that NaN fails.
    return limit is None or all(x.mean_share <= limit for x in comparisons)


def _agrees(comparisons, limit):
    # Here, as it takes a moment to import.
    from keras_eff.export.agreement import disagrees

    return not limit or not any(
        disagrees(row, each.num_samples, limit)
        for each in comparisons
        for row in each.outputs
    )


def _row(kernels, comparison):
    name, channel, r2 = comparison.worst_channel or (None, None, None)
    return {
        "kernels": kernels,
        "max_abs_error": comparison.max_abs_error,
        "mean_lsb": comparison.mean_lsb,
        "mean_share": comparison.mean_share,
        "agreement": comparison.agreement,
        "r2": comparison.r2,
        "worst_channel": name and f"{name}[{channel}]",
        "worst_channel_r2": r2,
    }


def _by_output(kernels, comparison):
    return [
        {
            "output": row.name,
            **_row(kernels, dataclasses.replace(comparison, outputs=(row,))),
            "near_constant": row.near_constant,
        }
        for row in comparison.outputs
    ]


@dataclasses.dataclass(frozen=True)
class _Reference:
    """What A takes, by name and in order, and what it returns."""

    names: list[str]
    samples: list[np.ndarray]
    outputs: dict[str, list[np.ndarray]]


def _from_file(path, samples):
    names, ranks = _inputs(path)
    if samples is None:
        raise click.UsageError("--samples is needed where A is a .tflite file.")
    samples = arrange(samples, names, ranks)
    with reading(path):
        execution = keras_eff.export.execute(path, samples)
    outputs = {kernels: getattr(execution, kernels) for kernels in _KERNELS}
    return _Reference(names, samples, outputs)


def _from_model(path, samples):
    with quiet_tensorflow():
        model = load_model(path)
        # Here, as two files are compared without Keras.
        from keras_eff.export.comparison import keras_outputs
        from keras_eff.graph import walk as graph
        from keras_eff.graph.end_names import end_names
        from keras_eff.graph.samples import batches
        from keras_eff.graph.samples import check_samples
        from keras_eff.graph.samples import random_samples

        graph.check_graph(model, "keras-eff compare")
        if samples is None:
            samples = random_samples(model, _RANDOM_SAMPLES)
        samples = check_samples(model, samples)
        outputs = keras_outputs(model, batches(model, samples, _BATCH))
        names, _ = end_names(model)
    return _Reference(names, samples, dict.fromkeys(_KERNELS, outputs))


def _comparisons(reference, path, names):
    """Returns a comparison for each set of kernels of the file at `path`."""
    from keras_eff.export.comparison import compare
    from keras_eff.tflite.flatbuffer import parse
    from keras_eff.tflite.flatbuffer import read
    from keras_eff.tflite.inspection import output_steps

    by_name = dict(zip(reference.names, reference.samples, strict=True))
    samples = reference.samples
    # Inputs may have no names: they are then all alike.
    if set(names) == set(by_name) and len(by_name) == len(names):
        samples = [by_name[name] for name in names]
    with reading(path):
        execution = keras_eff.export.execute(path, samples)
        steps = output_steps(parse(read(path)))
        ends = keras_eff.export.inspect(path).outputs
    # Outputs may have no names either.
    titles = [end.name or str(number) for number, end in enumerate(ends)]
    comparisons = {}
    for kernels, outputs in reference.outputs.items():
        found = getattr(execution, kernels)
        _check_count(outputs, found)
        alone = dataclasses.replace(execution, delegate=found, builtin=found)
        comparisons[kernels] = compare(outputs, alone, titles, steps)
    return comparisons


def _inputs(path):
    """The names of a file's inputs, and their numbers of dimensions."""
    with reading(path):
        inputs = keras_eff.export.inspect(path).inputs
    return [x.name for x in inputs], [len(x.shape) for x in inputs]


def _check_count(outputs, found):
    if len(outputs) != len(found):
        raise ValueError(
            "compare: A and B must have as many outputs. Received: "
            f"{len(outputs)} and {len(found)}"
        )


def _text(result, verdicts):
    # Of several outputs each has its own units.
    has_several = len(result["outputs"]) > len(result["kernels"])
    rows = result["outputs" if has_several else "kernels"]
    lines = [
        f"A       {result['a']}",
        f"B       {result['b']}",
        f"samples {result['num_samples']:,}"
        + ", random: give --samples for real ones" * result["is_random"],
        "",
        format_rows(_COLUMNS, rows),
        *_constant_lines(result["outputs"]),
    ]
    for name, is_passed in verdicts.items():
        if result[name] is not None:
            verdict = "passed" if is_passed else "FAILED"
            lines += ["", f"{name} {result[name]:g}: {verdict}"]
    return "\n".join(lines)


def _constant_lines(rows):
    """What hardly varies in A, and has no R2."""
    texts = [
        f"{row['output']}{list(row['near_constant'])}"
        for row in rows
        if row["near_constant"]
    ]
    if not texts:
        return []
    listed = ", ".join(dict.fromkeys(texts))
    return ["", f"nearly constant, without R2: {listed}"]
