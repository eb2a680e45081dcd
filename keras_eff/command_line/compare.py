"""keras-eff compare: whether a file computes what another one computes."""

import dataclasses
import pathlib

import numpy as np
from absl import flags as absl_flags

import keras_eff
from keras_eff.command_line.command import Command
from keras_eff.command_line.command import reading
from keras_eff.command_line.keras_model import load_model
from keras_eff.command_line.keras_model import quiet_tensorflow
from keras_eff.command_line.samples import SOURCES
from keras_eff.command_line.samples import arrange
from keras_eff.command_line.samples import load_samples
from keras_eff.command_line.table import Column
from keras_eff.command_line.table import format_json
from keras_eff.command_line.table import format_table

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


def _define_flags(flags):
    absl_flags.DEFINE_string(
        "samples",
        None,
        f"{SOURCES}. Random samples by default if A is a .keras "
        "file; two .tflite files need it.",
        flag_values=flags,
    )
    absl_flags.DEFINE_float(
        "tolerance",
        None,
        "Mean difference, as a share of the largest output of A, above which "
        "the exit code is 1.",
        0.0,
        flag_values=flags,
    )
    absl_flags.DEFINE_float(
        "min_agreement",
        None,
        "Agreement of each output with that of A, in [0, 1], below which the "
        "exit code is 1, as in keras-eff convert.",
        0.0,
        1.0,
        flag_values=flags,
    )
    absl_flags.DEFINE_boolean(
        "json", False, "Print a JSON object.", flag_values=flags
    )


def _run(flags, operands):
    first, second = operands
    samples = load_samples(flags.samples)
    names, _ = _inputs(second)
    is_model = pathlib.Path(first).suffix == ".keras"
    reference = (_from_model if is_model else _from_file)(first, samples)
    found = _compare(reference, second, names)
    verdicts = {
        "tolerance": _is_within(found.values(), flags.tolerance),
        "min_agreement": _agrees(found.values(), flags.min_agreement),
    }
    result = {
        "a": first,
        "b": second,
        "num_samples": len(reference.samples[0]),
        "is_random": samples is None,
        "kernels": [_row(*each) for each in found.items()],
        "outputs": [row for each in found.items() for row in _by_output(*each)],
        **{name: getattr(flags, name) for name in verdicts},
        "passed": all(verdicts.values()),
    }
    if flags.json:
        print(format_json(result))
    else:
        print(_text(result, verdicts))
    return 0 if result["passed"] else 1


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
    """What A takes, by name and in order, and what it returns.

    Args:
        names: The names of its inputs.
        samples: One array for each of them.
        outputs: {set of kernels: one array for each output}.
    """

    names: list[str]
    samples: list[np.ndarray]
    outputs: dict[str, list[np.ndarray]]


def _from_file(path, samples):
    names, ranks = _inputs(path)
    if samples is None:
        raise ValueError(
            "compare: --samples=FILE is needed where A is a .tflite file"
        )
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


def _compare(reference, path, names):
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
        format_table(_COLUMNS, rows),
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


COMMAND = Command(
    name="compare",
    operands=("A", "B.tflite"),
    summary="Compare what a file computes with a model or another file.",
    details=(
        "A is a .keras model or a .tflite file. Both are run on the samples; B "
        "under the default delegate and under the builtin kernels, and A too "
        "if it is a file. The mean difference is given as a share of the "
        "largest output of A, and in steps of the integers of B's output "
        "(LSB); R2, the coefficient of determination, is 1 where B follows A "
        "and 0 or less where it may as well be constant. With --tolerance and "
        "--min_agreement the exit code is 1 if B is further away."
    ),
    examples=(
        "keras-eff compare model.keras model.tflite --samples=x.npy",
        "keras-eff compare float.tflite int8.tflite --samples=x.npy "
        "--tolerance=0.03",
    ),
    define_flags=_define_flags,
    run=_run,
)
