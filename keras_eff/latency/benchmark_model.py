import dataclasses
import os
import shutil

from keras_eff import command
from keras_eff.latency.benchmark_tool import executable
from keras_eff.latency.benchmark_tool.runner import BenchmarkRunner
from keras_eff.latency.this_machine import describe_device

# The peak memory of a process begins at that of the one that started it, across
# fork and exec: of this one, which may hold TensorFlow, and not of a shell.
_INTERMEDIATE = ("/bin/sh", "-c", '"$@"; exit $?', "sh")


@dataclasses.dataclass(eq=False, repr=False)
class BenchmarkModel(BenchmarkRunner):
    """Runs a file on this machine in benchmark_model, the tool of TFLite.

    Both tools of that name work: TFLite's, and LiteRT's, which knows fewer
    options. Older builds give no median. The default runner of
    `keras_eff.latency.measure` if the environment variable
    KERAS_EFF_BENCHMARK_MODEL offers an executable for this machine.

    A delegate that takes no part of the file leaves it to the CPU, without an
    error: `Latency.warnings` then begins with a line that says so.
    `Latency.delegations` says how much of the file each delegate took, and
    `Latency.op_profile` the time of each operator.

    Args:
        binary: Path of the executable. Defaults to what the environment
            variable KERAS_EFF_BENCHMARK_MODEL names, a file or a folder of
            prebuilt files such as linux_x86-64_benchmark_model, else to such
            a file, or one called benchmark_model, on PATH.
        delegate: String or path, what runs the file: `"xnnpack"`; `"none"`,
            TFLite's builtin kernels; `"gpu"`; `"nnapi"`; or the path of an
            external delegate's library. What a GPU, NNAPI or external delegate
            does not take runs as in any application: in XNNPACK or the builtin
            kernels.
        cpu_affinity: Integer > 0 or hexadecimal string, mask of the cores that
            the tool may use: `0xf0` or `"f0"` for cores 4 to 7. Defaults to
            all.
        profile_ops: Boolean, whether to time each operator, which slows the
            others of the figures down a little.
        warmup_runs: Integer >= 0, number of runs before the measurement.
        flags: Tuple of strings, more flags for the tool, as they are.
        timeout_s: Float > 0, time that the tool may take in all, in seconds.

    Call arguments:
        path: String, path of a `.tflite` file.
        num_threads: Integer >= 1, threads that the runtime may use.
        num_runs: Integer >= 1, number of runs to time.
        input_shapes: See `keras_eff.latency.measure`.

    Raises:
        TypeError: If a name or a path has the wrong type.
        ValueError: If another argument is wrong, or, when called, if the
            executable is not executable or built for another architecture.
        FileNotFoundError: If `binary` or a delegate's library does not exist,
            or, when called, if no executable is found: says where to get one.
        RuntimeError: When called, if the tool fails, crashes, takes longer than
            `timeout_s`, prints no complete result, or does not know an option
            that was chosen.

    Example:

    >>> keras_eff.latency.BenchmarkModel(delegate="none", cpu_affinity=0xf0)
    BenchmarkModel(binary=None, delegate='none', cpu_affinity='f0',
    profile_ops=False, warmup_runs=5, flags=(), timeout_s=600.0)
    """

    binary: str | os.PathLike | None = None

    def __call__(self, path, num_threads, num_runs, input_shapes=None):
        inputs = self._input_flags(path, input_shapes)
        binary = executable.find_binary(self.binary, executable.host_platform())
        # A library's name without a folder would be looked for elsewhere.
        library = os.path.abspath(self.delegate)
        flags = self._tool_flags(path, library, num_threads, num_runs, inputs)
        argv = [*_INTERMEDIATE, *self._pin_to_cores(), str(binary), *flags]
        finished = command.run(argv, self.timeout_s)
        return self._read(
            finished.failure,
            finished.output,
            path,
            num_threads,
            describe_device(),
            () if input_shapes is None else inputs,
        )

    def _pin_to_cores(self):
        if self.cpu_affinity is None:
            return []
        if shutil.which("taskset") is None:
            raise RuntimeError(
                "Argument `cpu_affinity` needs the command taskset, which this "
                "machine does not have. Received: cpu_affinity="
                f"{self.cpu_affinity!r}"
            )
        return ["taskset", self.cpu_affinity]
