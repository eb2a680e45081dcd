import contextlib
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Mapping
from collections.abc import Sequence

from keras_eff import command

_TAIL_BYTES = 4000
_POLL_S = 0.05


class SearchProcess:
    """A process of a search, its chief or a worker, and all that it starts.

    It runs in a process group of its own, which is killed when the process
    ends, however it ends. What it prints goes to a log, each start after a
    line of its own.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        log: pathlib.Path,
    ):
        self.name = name
        self.starts = 0
        self.log = log
        self._argv = list(argv)
        self._environment = dict(environment)
        self._child = None

    def start(self) -> None:
        """Starts it, again after it has ended."""
        with self.log.open("ab") as output:
            title = f"--- {self.name}, start {self.starts + 1}\n"
            output.write(title.encode())
            output.flush()
            self._child = subprocess.Popen(
                self._argv,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.starts += 1

    def poll(self) -> command.Finished | None:
        """Returns how it ended, with the end of its log; `None` if it runs.

        It must have been started.
        """
        if not self._has_ended():
            return None
        if self._child.returncode is None:
            # Before its id is free for another process.
            self.signal(signal.SIGKILL)
            self._child.wait()
        return command.Finished(self._child.returncode, self._tail())

    def signal(self, number: int) -> None:
        """Sends a signal to it and to all that it has started."""
        if self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, number)

    def _has_ended(self):
        if self._child.returncode is not None:
            return True
        how = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._child.pid, how) is not None

    def _tail(self):
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace")


def end_all(processes: Sequence[SearchProcess], patience_s: float) -> None:
    """Ends all that still run: by an interrupt, then by force.

    An interrupt lets them end what runs outside their process groups.
    """
    started = [process for process in processes if process.starts]
    force_at = time.monotonic() + patience_s
    number = signal.SIGINT
    while running := [p for p in started if p.poll() is None]:
        if number is not None:
            for process in running:
                process.signal(number)
            number = None
        if time.monotonic() >= force_at:
            number = signal.SIGKILL
        time.sleep(_POLL_S)
