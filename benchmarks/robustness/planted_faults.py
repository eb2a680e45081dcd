"""Whether the tests notice: faults planted one at a time in the package.

Each fault replaces one piece of source in a copy of the checkout, where the
tests named beside it then run. A fault is killed if they fail, and survives if
they pass: then a test is missing. One whose text is not in the source once has
to be written anew: `--check` tells which, and runs nothing. The same tests must
pass on the copy as it is, which is tried first.

    python -m benchmarks.robustness.planted_faults
    python -m benchmarks.robustness.planted_faults --check
"""

import collections
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from absl import app
from absl import flags

flags.DEFINE_string("only", "", "Part of the names of files to plant in.")
flags.DEFINE_integer("timeout_s", 1200, "Seconds that a run may take.")
flags.DEFINE_bool("check", False, "Only find the texts and the test files.")
FLAGS = flags.FLAGS

_ROOT = pathlib.Path(__file__).parents[2]
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info")
_TABLES = (
    "channels/graph_test.py::"
    "test_channels_go_through_and_leave_what_they_leave_masked"
)
_PRUNING = "callbacks/channel_pruning_test.py::test_"

Fault = collections.namedtuple("Fault", "file old new tests")


def _of_channels(file, old, new, *names):
    """A fault in a rule, for the models of some names in its tables."""
    tests = [f"{_TABLES}[{name}]" for name in names]
    return Fault(f"channels/{file}.py", old, new, tests)


FAULTS = [
    Fault(
        "graph/entry_functions.py",
        "return add(arrays) / len(arrays)",
        "return add(arrays)",
        [f"{_TABLES}[Average]"],
    ),
    _of_channels(
        "rules/merging",
        "values = np.concatenate([part.values for part in parts])",
        "values = np.zeros(len(ids))",
        "Concatenate",
    ),
    _of_channels(
        "rules/merging",
        "x * layer.scale + layer.offset",
        "x * layer.scale",
        "Rescaling",
    ),
    _of_channels(
        "rules/weighted",
        "    call.cut(layer.kernel, -1, channels.ids)\n"
        "    call.need_zero(channels)\n",
        "    call.cut(layer.kernel, -1, channels.ids)\n",
        "Conv2DTranspose",
    ),
    _of_channels(
        "rules/weighted",
        'if layer.padding == "valid" or math.prod(layer.kernel_size) == 1:',
        "if math.prod(layer.kernel_size):",
        "Conv2D",
    ),
    _of_channels(
        "rules/weighted",
        "call.begins(layer.moving_mean, 0, channels.ids, channels.values)",
        "call.cut(layer.moving_mean, 0, channels.ids)",
        "BatchNormalization",
    ),
    _of_channels(
        "rules/weighted",
        "    if not layer.scale:\n        call.need_zero(channels)\n",
        "",
        "GroupNormalization",
    ),
    _of_channels(
        "rules/sequences",
        "if not (_keeps_zero(cell.activation) and layer.stateful is False):",
        "if layer.stateful:",
        "SimpleRNN",
    ),
    _of_channels(
        "rules/shapes",
        "        return channels.holding(np.nan)\n"
        "    return channels.unknown()\n",
        "        return channels.holding(np.nan)\n    return channels\n",
        "ZeroPadding1D",
        "op Pad",
    ),
    _of_channels(
        "rules/shapes",
        "    channels = _reduced(call, channels)\n"
        "    return None if channels is None else channels.unknown()\n",
        "    return _reduced(call, channels)\n",
        "op Sum",
    ),
    _of_channels(
        "tensor_channels",
        "return self.holding(function(self.values))",
        "return self",
        "Activation",
        "ELU",
    ),
    _of_channels(
        "cut",
        "value = value + folded",
        "pass",
        "Dense",
    ),
    Fault(
        "channels/silent.py",
        "return ops.where(gone, ops.zeros_like(value), value)",
        "return value",
        [f"{_PRUNING}silent_channels_stay_so_in_every_later_training"],
    ),
    Fault(
        "callbacks/channel_pruning.py",
        "for each in (variable, averages.get(id(variable))):",
        "for each in (variable,):",
        [f"{_PRUNING}averages_and_files_hold_silent_channels"],
    ),
    Fault(
        "tuning/median_stopping/median_rule.py",
        "return statistics.median(known) if known else None",
        "return max(known) if known else None",
        ["tuning/median_stopping/median_rule_test.py"],
    ),
    Fault(
        "distillation/logits.py",
        "logits = _log(outputs) - _log(1.0 - outputs)",
        "logits = _log(outputs)",
        ["distillation/logits_test.py"],
    ),
    Fault(
        "tflite/grid.py",
        "exact = grid.rows * (_INT8_LIMIT / peaks).reshape(-1, 1)",
        "exact = grid.rows * (_INT8_LIMIT / peaks.max()).reshape(-1, 1)",
        ["tflite/grid_test.py"],
    ),
    Fault(
        "tflite/packing.py",
        "            self.Prep(_ALIGNMENT, x.nbytes)\n",
        "",
        ["tflite/packing_test.py"],
    ),
    Fault(
        "tflite/weight_only.py",
        "peaks = np.where(peaks > 0, peaks, 1)",
        "peaks = np.where(peaks > 0, peaks.max(), 1)",
        ["tflite/weight_only_test.py"],
    ),
    Fault(
        "tflite/strip_metadata.py",
        "for owner in [*tensors, *(model.metadata or [])]:",
        "for owner in tensors:",
        ["tflite/strip_metadata_test.py"],
    ),
]


def passes(tests, folder, is_told=False):
    """Whether tests pass in a checkout; None where they could not run."""
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider"]
    command += [f"tests/{test}" for test in tests]
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        # A file of bytecode could outlive the fault that it is of.
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=FLAGS.timeout_s,
        )
    except subprocess.TimeoutExpired:
        return False
    if is_told and ended.returncode:
        print(ended.stdout[-4000:], ended.stderr[-2000:], file=sys.stderr)
    return {0: True, 1: False}.get(ended.returncode)


def is_there(fault, folder):
    """Whether a fault's text is in its file once, and its tests exist."""
    path = folder / "keras_eff" / fault.file
    tests = [folder / "tests" / test.split("::")[0] for test in fault.tests]
    if not all(each.is_file() for each in (path, *tests)):
        return False
    return path.read_text().count(fault.old) == 1


def check(faults):
    """Ends with the faults that cannot be planted."""
    lost = [fault for fault in faults if not is_there(fault, _ROOT)]
    print(f"{len(faults)} faults, {len(lost)} not to be planted")
    if lost:
        sys.exit("\n".join(f"{fault.file}: {fault.old}" for fault in lost))


def outcome(fault, folder):
    if not is_there(fault, folder):
        return "not planted: its text is not there once"
    path = folder / "keras_eff" / fault.file
    text = path.read_text()
    path.write_text(text.replace(fault.old, fault.new))
    try:
        passed = passes(fault.tests, folder)
    finally:
        path.write_text(text)
    return {True: "survived", False: "killed"}.get(
        passed, "the tests did not run"
    )


def main(_):
    chosen = [fault for fault in FAULTS if FLAGS.only in fault.file]
    if FLAGS.check:
        return check(chosen)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name) / "checkout"
        shutil.copytree(_ROOT, folder, ignore=_LEFT_OUT)
        tests = dict.fromkeys(test for fault in chosen for test in fault.tests)
        if not passes(tests, folder, is_told=True):
            raise app.UsageError("The tests do not pass without a fault.")
        print("| file | fault | outcome | s |\n|---|---|---|---|", flush=True)
        counts = collections.Counter()
        for fault in chosen:
            start = time.monotonic()
            result = outcome(fault, folder)
            counts[result] += 1
            seconds = time.monotonic() - start
            line = fault.old.strip().splitlines()[0]
            print(
                f"| {fault.file} | `{line}` | {result} | {seconds:.0f} |",
                flush=True,
            )
    print(f"\n{len(chosen)} faults planted: killed {counts['killed']}")


if __name__ == "__main__":
    app.run(main)
