"""Runs benchmark_model on another device."""

import abc
import dataclasses
import os
import shlex

from keras_eff import command
from keras_eff.latency.benchmark_tool.delegates import is_external
from keras_eff.latency.benchmark_tool.executable import find_binary
from keras_eff.latency.benchmark_tool.options import check_directory
from keras_eff.latency.benchmark_tool.runner import BenchmarkRunner
from keras_eff.latency.devices.folder import DeviceFolder

# Ends the tool, and removes its file, when the connection is gone, as when this
# process was killed: what the script reads then comes to an end.
_WATCHED = """\
exec 3<&0; cd {directory} && {tool} & tool=$!; \
{{ cat; rm -f {graph}; kill -9 $tool; }} <&3 >/dev/null 2>&1 & watch=$!; \
wait $tool; code=$?; {{ kill $watch; wait $watch; }} 2>/dev/null; (exit $code)\
"""
_REASONS = {
    126: "cannot be executed there (`directory` may be mounted noexec, or "
    "`binary` built for another device)",
    127: "lacks something there (taskset, or a library of `binary`)",
}


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class OnDevice(BenchmarkRunner, abc.ABC):
    """The base class of the runners that copy the tool to a device.

    Args: As in `Android` and `Remote`, which declare `directory`.
    """

    def __post_init__(self):
        super().__post_init__()
        self.directory = check_directory(self.directory)

    def __call__(self, path, num_threads, num_runs, input_shapes=None):
        inputs = self._input_flags(path, input_shapes)
        shell = self._connect()
        device = shell.describe()
        # Before anything is copied: there may be none.
        run = self._prepare(shell)
        folder = DeviceFolder(shell, self.directory, self.timeout_s)
        with folder.lend(path) as graph:
            failure, output = run(folder, graph, num_threads, num_runs, inputs)
        chosen = () if input_shapes is None else inputs
        return self._read(failure, output, path, num_threads, device, chosen)

    @abc.abstractmethod
    def _connect(self):
        """Returns the DeviceShell to use."""

    def _prepare(self, shell):
        """Returns what runs a model that lies in the device's folder."""
        binary = find_binary(self.binary, shell.platform())

        def run(folder, graph, *counts_and_inputs):
            tool = folder.keep(binary)
            library = ""
            if is_external(self.delegate):
                library = folder.keep(self.delegate)
            flags = self._tool_flags(graph, library, *counts_and_inputs)
            return self._run_tool(shell, tool, flags, graph)

        return run

    def _run_tool(self, shell, tool, flags, graph):
        mask = ["taskset", self.cpu_affinity] if self.cpu_affinity else []
        argv = [*mask, f"./{os.path.basename(tool)}", *flags]
        script = _WATCHED.format(
            directory=shlex.quote(self.directory),
            tool=shlex.join(argv),
            graph=shlex.quote(graph),
        )
        finished = shell.run(script, self.timeout_s, command.HELD_OPEN)
        reason = _REASONS.get(finished.code, finished.failure)
        return reason, finished.output
