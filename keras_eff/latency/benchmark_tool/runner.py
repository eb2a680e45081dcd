"""What the runners of benchmark_model share: options, flags, result."""

import dataclasses
import inspect
import os
from collections.abc import Sequence

from absl import logging

from keras_eff import command
from keras_eff.arguments import read_boolean
from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.latency.benchmark_tool.delegates import check_delegate
from keras_eff.latency.benchmark_tool.delegates import delegate_flag
from keras_eff.latency.benchmark_tool.delegates import delegate_title
from keras_eff.latency.benchmark_tool.delegates import is_without_xnnpack
from keras_eff.latency.benchmark_tool.delegates import warn_of_fallback
from keras_eff.latency.benchmark_tool.executable import check_binary
from keras_eff.latency.benchmark_tool.input_flags import INPUT_FLAGS
from keras_eff.latency.benchmark_tool.input_flags import input_flags
from keras_eff.latency.benchmark_tool.log import read_log
from keras_eff.latency.benchmark_tool.log_lines import split_log
from keras_eff.latency.benchmark_tool.log_warnings import decisive_lines
from keras_eff.latency.benchmark_tool.options import check_flags
from keras_eff.latency.benchmark_tool.options import check_mask
from keras_eff.latency.benchmark_tool.options import flag_name
from keras_eff.latency.latency import Latency

# Of TFLite's tool, and of LiteRT's.
_PROFILE_FLAGS = ("--enable_op_profiling=true", "--use_profiler=true")


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class BenchmarkRunner:
    """The base class of the runners of benchmark_model.

    A subclass declares `binary`, the executable, and what finds the device.
    """

    delegate: str | os.PathLike = "xnnpack"
    cpu_affinity: int | str | None = None
    profile_ops: bool = False
    warmup_runs: int = 5
    flags: Sequence[str] = ()
    timeout_s: float = 600.0

    # What `Latency.runner` begins with.
    _tool = "benchmark_model"

    def __post_init__(self):
        self.binary = check_binary(self.binary)
        self.delegate = check_delegate(self.delegate)
        self.cpu_affinity = check_mask(self.cpu_affinity)
        self.profile_ops = read_boolean("profile_ops", self.profile_ops)
        self.warmup_runs = read_integer("warmup_runs", self.warmup_runs, 0)
        self.timeout_s = read_number("timeout_s", self.timeout_s, "(0, inf)")
        own = map(flag_name, self._own_flags("", "", 1, 1))
        self.flags = check_flags(self.flags, set(own))

    def __repr__(self):
        names = inspect.signature(type(self)).parameters
        options = ", ".join(f"{x}={getattr(self, x)!r}" for x in names)
        return f"{type(self).__name__}({options})"

    def _tool_flags(self, graph, library, num_threads, num_runs, inputs=()):
        """Returns the flags for the tool."""
        own = self._own_flags(graph, library, num_threads, num_runs)
        return [*own, *inputs, *self.flags]

    def _input_flags(self, path, input_shapes):
        """Returns the flags for open shapes, and for numbers of rows."""
        given = set(map(flag_name, self.flags)) & set(INPUT_FLAGS)
        if given and input_shapes is not None:
            raise ValueError(
                "Argument `input_shapes` must be None beside flags of the "
                f"runner that say the same. Received: {sorted(given)} and "
                f"input_shapes={input_shapes}"
            )
        return [] if given else input_flags(path, input_shapes)

    def _own_flags(self, graph, library, num_threads, num_runs):
        # With 0 s as the least duration the numbers of runs are exact.
        flags = [
            f"--graph={graph}",
            f"--num_threads={num_threads}",
            f"--num_runs={num_runs}",
            "--min_secs=0",
            f"--max_secs={self.timeout_s:g}",
            f"--warmup_runs={self.warmup_runs}",
            "--warmup_min_secs=0",
            delegate_flag(self.delegate, library),
        ]
        return flags + [*_PROFILE_FLAGS] * self.profile_ops

    def _read(self, failure, output, path, num_threads, device, inputs=()):
        """Returns the Latency that an output of the tool tells.

        `failure`: string or None, what went wrong with the tool itself.
        `inputs`: the flags that the tool must know, for shapes that the caller
        chose.
        """
        try:
            # The exit code first: a run that failed may print a summary too.
            if failure:
                raise ValueError(f"it {failure}: {_telling(output)}")
            log = read_log(output)
        except ValueError as error:
            raise RuntimeError(
                f"{self._tool} did not measure the file: {error}. Received: "
                f"path={path}, runner={self}{command.end_of(output)}"
            ) from error
        self._check_consumed(log, output, num_threads, inputs)
        return self._to_latency(log, output, num_threads, device)

    def _check_consumed(self, log, output, num_threads, inputs):
        ignored = {flag_name(flag) for flag in log.unconsumed_flags}
        if is_without_xnnpack(self.delegate, log, output):
            ignored.discard(flag_name(delegate_flag(self.delegate, "")))
        lacking = [
            option
            for flags, option in self._chosen(num_threads, inputs)
            if set(map(flag_name, flags)) <= ignored
        ]
        if lacking:
            raise RuntimeError(
                f"This build of {self._tool} does not know "
                f"{', '.join(lacking)}: it measured the file without. "
                f"Received: runner={self}"
            )

    def _chosen(self, num_threads, inputs):
        """Yields flags, one of which each option needs to have an effect."""
        yield ["--num_threads"], f"num_threads={num_threads}"
        if self.delegate != "xnnpack":
            flag = delegate_flag(self.delegate, "")
            yield [flag], f"delegate={self.delegate!r}"
        if self.profile_ops:
            yield _PROFILE_FLAGS, "profile_ops=True"
        yield from (([flag], flag) for flag in (*inputs, *self.flags))

    def _to_latency(self, log, output, num_threads, device):
        warnings = list(log.warnings)
        fallback = warn_of_fallback(self.delegate, log, output)
        if fallback:
            logging.warning("%s: %s", device, fallback)
            warnings.insert(0, fallback)
        title = delegate_title(self.delegate)
        return Latency(
            median_ms=log.median_ms,
            mean_ms=log.mean_ms,
            min_ms=log.min_ms,
            p5_ms=log.p5_ms,
            p95_ms=log.p95_ms,
            std_ms=log.std_ms,
            init_ms=log.init_ms,
            num_runs=log.num_runs,
            num_threads=num_threads,
            peak_memory_mb=log.peak_memory_mb,
            runner=f"{self._tool} {log.dialect} {title}",
            device=device,
            op_profile=log.op_profile,
            delegations=log.delegations,
            warnings=tuple(warnings),
        )


def _telling(output):
    """The lines of an output that tell why the tool failed."""
    return decisive_lines(split_log(output))
