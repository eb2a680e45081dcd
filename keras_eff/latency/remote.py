import dataclasses
import os

from keras_eff.latency.benchmark_tool.options import check_name
from keras_eff.latency.devices.runner import OnDevice
from keras_eff.latency.devices.ssh import SshShell


@dataclasses.dataclass(eq=False, repr=False)
class Remote(OnDevice):
    """Runs a file on another Linux machine, over ssh, in benchmark_model.

    For a Raspberry Pi, or any machine that runs an ssh server and a POSIX
    shell. Copies the executable and the file there, runs it and removes the
    file; the executable stays, for the next time. When the time is over, the
    caller is interrupted, or the tool fails, no process stays behind.

    Nobody can type a password: the login must work with a key. A port, a user
    or a key of its own is set for the host in ~/.ssh/config.

    Args:
        host: String, as `ssh` takes it: a name, or user@name.
        binary: Path of the executable for the machine. Defaults to what the
            environment variable KERAS_EFF_BENCHMARK_MODEL names, a file or a
            folder that holds linux_aarch64_benchmark_model,
            linux_arm_benchmark_model or linux_x86-64_benchmark_model, else to
            such a file on PATH.
        delegate, cpu_affinity, profile_ops, warmup_runs, flags: As in
            `keras_eff.latency.BenchmarkModel`. The library of an external
            delegate is copied there, too.
        timeout_s: Float > 0, time that the tool, and copying each file, may
            take, in seconds.
        directory: String, absolute path of the folder there to use.

    Call arguments: As in `keras_eff.latency.BenchmarkModel`.

    Raises:
        TypeError: If a name or a path has the wrong type.
        ValueError: If another argument is wrong, or, when called, if the
            executable is built for another architecture.
        FileNotFoundError: If `binary` or a delegate's library does not exist,
            or, when called, if no executable is found: says where to get one.
        RuntimeError: When called, if ssh is missing, the host is unknown,
            refuses the login, cannot be reached, goes away or is full, or the
            tool fails as in `keras_eff.latency.BenchmarkModel`.

    Example:

    >>> keras_eff.latency.Remote("pi@raspberrypi", cpu_affinity="c")
    Remote(host='pi@raspberrypi', binary=None, delegate='xnnpack',
    cpu_affinity='c', profile_ops=False, warmup_runs=5, flags=(),
    timeout_s=600.0, directory='/tmp/keras_eff')
    """

    host: str
    binary: str | os.PathLike | None = None
    _: dataclasses.KW_ONLY
    directory: str = "/tmp/keras_eff"

    def __post_init__(self):
        check_name("host", self.host)
        super().__post_init__()

    def _connect(self):
        return SshShell(self.host)
