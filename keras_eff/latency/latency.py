import dataclasses
from collections.abc import Sequence

import numpy as np

from keras_eff.latency.benchmark_tool.delegation import Delegation
from keras_eff.latency.benchmark_tool.op_profile import OpTime

_NO_MEDIAN = "the tool gave no median"


@dataclasses.dataclass(frozen=True)
class Latency:
    """What one measurement found. The headline is the median.

    On a machine that does anything else, the mean says more about the other
    work than about the model: it is here to show how disturbed the measurement
    was, as `std_ms` is. What a runner cannot tell is `None`: older builds of
    benchmark_model give no median, and none is made up from what they give.

    Args:
        median_ms: Float or `None`, median time of a run, in milliseconds.
        mean_ms: Float or `None`, mean time of a run, in milliseconds.
        min_ms: Float or `None`, time of the fastest run, in milliseconds.
        p5_ms: Float or `None`, 5th percentile of the runs, in milliseconds.
        p95_ms: Float or `None`, 95th percentile of the runs, in milliseconds.
        std_ms: Float or `None`, standard deviation of the runs, in
            milliseconds.
        init_ms: Float or `None`, time to load the file and to prepare it for
            the first run, in milliseconds.
        num_runs: Integer >= 1, runs that were timed.
        num_threads: Integer >= 1, threads that the runtime could use.
        peak_memory_mb: Float or `None`, memory that loading and running the
            file took at its peak, in 1e6 bytes.
        runner: String, what ran the file: name, version and options.
        device: String, the machine that ran it.
        op_profile: Tuple of `OpTime`, the time of each operator in run order,
            or `None` if it was not measured.
        delegations: Tuple of `Delegation`, what each delegate took of the
            file, as far as the runner tells.
        warnings: Tuple of strings, what the reader of the figures must know,
            such as a delegate that left the file to the CPU.

    Example:

    >>> latency = keras_eff.latency.Latency.from_times(
    ...     [0.5, 0.6, 9.0], num_threads=1, runner="litert", device="a phone"
    ... )
    >>> latency.median_ms
    0.6
    >>> print(latency)
    0.600 ms (median of 3 runs; p5 0.510, p95 8.160; 1 thread)
    """

    median_ms: float | None
    mean_ms: float | None
    min_ms: float | None
    p5_ms: float | None
    p95_ms: float | None
    std_ms: float | None
    init_ms: float | None
    num_runs: int
    num_threads: int
    peak_memory_mb: float | None
    runner: str
    device: str
    op_profile: tuple[OpTime, ...] | None = None
    delegations: tuple[Delegation, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_times(
        cls,
        times_ms: Sequence[float],
        *,
        num_threads: int,
        runner: str,
        device: str,
        init_ms: float | None = None,
        peak_memory_mb: float | None = None,
    ) -> "Latency":
        """Summarises the times of single runs."""
        p5_ms, median_ms, p95_ms = np.percentile(times_ms, [5, 50, 95])
        return cls(
            median_ms=float(median_ms),
            mean_ms=float(np.mean(times_ms)),
            min_ms=float(np.min(times_ms)),
            p5_ms=float(p5_ms),
            p95_ms=float(p95_ms),
            std_ms=float(np.std(times_ms)),
            init_ms=init_ms,
            num_runs=len(times_ms),
            num_threads=num_threads,
            peak_memory_mb=peak_memory_mb,
            runner=runner,
            device=device,
        )

    def __str__(self):
        runs = _count(self.num_runs, "run")
        threads = _count(self.num_threads, "thread")
        if self.median_ms is not None:
            time = f"{_round(self.median_ms)} ms (median of {runs};"
        elif self.mean_ms is not None:
            time = f"{_round(self.mean_ms)} ms (mean of {runs}; {_NO_MEDIAN};"
        else:
            time = f"unknown time ({runs};"
        return f"{time}{self._spread()} {threads})"

    def _spread(self):
        if self.p5_ms is None or self.p95_ms is None:
            return ""
        return f" p5 {_round(self.p5_ms)}, p95 {_round(self.p95_ms)};"


def _round(time_ms):
    return f"{time_ms:.3f}" if time_ms >= 0.1 else f"{time_ms:.2g}"


def _count(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
