import pathlib
import warnings

from keras_eff import arguments
from keras_eff import child_process
from keras_eff.latency.input_shapes import resolve_shapes
from keras_eff.latency.latency import Latency
from keras_eff.latency.this_machine import describe_device

_RENAMED = (
    "`use_xnnpack` of keras_eff.latency.LiteRT is called `delegate`: 'xnnpack' "
    "or 'none'. The old name will be removed in keras_eff 0.3."
)
# What `Latency.runner` calls them.
_KERNELS = {"xnnpack": "xnnpack", "none": "builtin"}
_SCRIPT = pathlib.Path(__file__).with_name("litert_child.py")


class LiteRT:
    """Runs a file on this machine's CPU, in LiteRT (TFLite).

    The default runner of `keras_eff.latency.measure`, and the place for its
    options. The file runs in a process of its own: one that crashes the runtime
    is a `RuntimeError` here.

    The process loads the file, then runs it without measuring until both
    `warmup_runs` and `warmup_min_s` are reached, so that caches are filled and
    the CPU's frequency has settled; then it times every run by itself, from
    input in place to output in place. The inputs are the same in every run and
    every measurement: floats uniform in [-1, 1], int8 and uint8 over their full
    range, other integers and booleans 0 or 1, so that they are valid ids of any
    embedding. An unknown batch is 1; other dimensions that the file leaves
    open must be given.

    `init_ms` is the time to open the file and allocate its tensors, the file
    being in the disk's cache or not. `peak_memory_mb` is what the peak resident
    memory of the process grew by from before the file was loaded to the end of
    the last run (`VmHWM` on Linux, `ru_maxrss` on macOS, otherwise `None`);
    about 4 MB of it are the runtime's own, whatever the file.

    Args:
        warmup_runs: Integer >= 0, least number of runs before the measurement.
        warmup_min_s: Float >= 0, least duration of the runs before the
            measurement, in seconds.
        delegate: String, what runs the file: `"xnnpack"`, the default
            delegate, as in an application; `"none"`, LiteRT's builtin kernels.
        timeout_s: Float > 0, time that the process may take in all, in
            seconds.
        use_xnnpack: Boolean, deprecated: `False` is `delegate="none"`.

    Call arguments:
        path: String, path of a `.tflite` file.
        num_threads: Integer >= 1, threads that the runtime may use.
        num_runs: Integer >= 1, number of runs to time.
        input_shapes: See `keras_eff.latency.measure`.

    Raises:
        ValueError: If an argument is wrong, or, when called, if the
            file is damaged, has an input that is neither a number nor a
            boolean, or leaves dimensions open that are not given.
        RuntimeError: When called, if LiteRT lacks an operator of the file, the
            run fails or crashes the process, or takes longer than `timeout_s`.

    Example:

    >>> runner = keras_eff.latency.LiteRT(delegate="none", timeout_s=60.0)
    >>> runner
    LiteRT(warmup_runs=5, warmup_min_s=0.25, delegate='none', timeout_s=60.0)
    """

    def __init__(
        self,
        *,
        warmup_runs=5,
        warmup_min_s=0.25,
        delegate="xnnpack",
        timeout_s=600.0,
        use_xnnpack=None,
    ):
        self.warmup_runs = arguments.read_integer("warmup_runs", warmup_runs, 0)
        self.warmup_min_s = arguments.read_number(
            "warmup_min_s", warmup_min_s, "[0, inf)"
        )
        self.delegate = _check_delegate(delegate, use_xnnpack)
        self.timeout_s = arguments.read_number(
            "timeout_s", timeout_s, "(0, inf)"
        )

    def __call__(self, path, num_threads, num_runs, input_shapes=None):
        if input_shapes is not None:
            _, input_shapes = resolve_shapes(path, input_shapes)
        payload = {
            "path": path,
            "input_shapes": input_shapes,
            "num_threads": num_threads,
            "num_runs": num_runs,
            "warmup_runs": self.warmup_runs,
            "warmup_min_s": self.warmup_min_s,
            "use_xnnpack": self.delegate == "xnnpack",
        }
        memory_bytes = child_process.memory_for(path)
        measured = child_process.run(
            _SCRIPT, payload, self.timeout_s, memory_bytes
        )
        return Latency.from_times(
            measured["times_ms"],
            num_threads=num_threads,
            runner=f"litert {measured['version']} {_KERNELS[self.delegate]}",
            device=describe_device(),
            init_ms=measured["init_ms"],
            peak_memory_mb=measured["peak_memory_mb"],
        )

    @property
    def use_xnnpack(self) -> bool:
        """Deprecated: whether `delegate` is `"xnnpack"`."""
        warnings.warn(_RENAMED, DeprecationWarning, stacklevel=2)
        return self.delegate == "xnnpack"

    def __repr__(self):
        options = ", ".join(f"{k}={v!r}" for k, v in vars(self).items())
        return f"LiteRT({options})"


def _check_delegate(delegate, use_xnnpack):
    if use_xnnpack is not None:
        if delegate != "xnnpack":
            raise TypeError(
                "Argument `use_xnnpack` is the old name of `delegate`: give "
                "the new one alone. Received: "
                f"use_xnnpack={use_xnnpack!r}, delegate={delegate!r}"
            )
        warnings.warn(_RENAMED, DeprecationWarning, stacklevel=3)
        is_used = arguments.read_boolean("use_xnnpack", use_xnnpack)
        return "xnnpack" if is_used else "none"
    return arguments.read_choice("delegate", delegate, _KERNELS)
