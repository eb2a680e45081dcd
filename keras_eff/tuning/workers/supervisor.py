import contextlib
import signal
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence

from absl import logging

from keras_eff import command
from keras_eff.tuning.workers.process import SearchProcess
from keras_eff.tuning.workers.process import end_all

_POLL_S = 0.1
_END_PATIENCE_S = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Runs a chief and its workers until the chief has ended.

    A worker that fails is started again, so that it takes up its trial. A
    chief that ends well ends the search; one that fails, a worker that fails
    too often, and a chief that still waits for trials when no worker is left
    end it with an error. Whatever happens, no process stays.

    `workers`: the workers, at least one, not started. `grace_s`: float >= 0,
    time that workers may take to end after the chief, in seconds.
    `chief_grace_s`: float > 0, time that the chief may listen after the last
    worker has ended, in seconds. keras-tuner looks every 20 seconds.
    `is_listening`: function without arguments: whether the chief takes
    requests. One that does not is busy with the rest of its script. `watch`:
    function without arguments, called all the time. It may raise RuntimeError.
    """

    def __init__(
        self,
        chief: SearchProcess,
        workers: Sequence[SearchProcess],
        *,
        max_restarts: int,
        grace_s: float,
        chief_grace_s: float,
        is_listening: Callable[[], bool],
        watch: Callable[[], None],
    ):
        self._chief = chief
        self._workers = list(workers)
        self._max_restarts = max_restarts
        self._grace_s = grace_s
        self._chief_grace_s = chief_grace_s
        self._is_listening = is_listening
        self._watch = watch
        self._running = []
        self._idle_since = None

    def run(self) -> int | None:
        """Returns the number of the signal that ended it, or `None`."""
        everyone = [self._chief, *self._workers]
        with _caught_signals() as received:
            try:
                self._start(everyone)
                while not received and not self._is_over():
                    time.sleep(_POLL_S)
                if not received:
                    self._let_workers_end(received)
            finally:
                end_all(everyone, _END_PATIENCE_S)
            return received[0] if received else None

    def _start(self, everyone):
        for process in everyone:
            process.start()
            logging.info("%s started, log: %s", process.name, process.log)
        self._running = list(self._workers)

    def _is_over(self):
        """Looks after everyone once. Whether the chief has ended well."""
        self._watch()
        ended = self._chief.poll()
        if ended is not None:
            _raise_if_failed(self._chief, ended)
            logging.info("%s ended: the search is over", self._chief.name)
            return True
        for worker in list(self._running):
            self._look_after(worker)
        self._check_for_deadlock()
        return False

    def _look_after(self, worker):
        ended = worker.poll()
        if ended is None:
            return
        if ended.failure is None:
            logging.info("%s ended", worker.name)
            self._running.remove(worker)
            self._idle_since = time.monotonic()
            return
        if worker.starts > self._max_restarts:
            _raise_if_failed(worker, ended)
        worker.start()
        logging.warning(
            "%s %s: started again, to take up its trial (%d of %d restarts)",
            *(worker.name, ended.failure),
            *(worker.starts - 1, self._max_restarts),
        )

    def _check_for_deadlock(self):
        if self._running or time.monotonic() < (
            self._idle_since + self._chief_grace_s
        ):
            return
        if self._is_listening():
            raise RuntimeError(
                f"All workers have ended, but the chief still waits for "
                f"trials after {self._chief_grace_s:g} seconds: the search is "
                "not complete. Does the script run `tuner.search` in every "
                f"worker? See {self._chief.log}"
            )

    def _let_workers_end(self, received):
        end_at = time.monotonic() + self._grace_s
        while not received and time.monotonic() < end_at:
            if all(worker.poll() for worker in self._running):
                break
            time.sleep(_POLL_S)
        for worker in self._running:
            ended = worker.poll()
            if ended is None or ended.failure:
                logging.warning(
                    "%s %s after the search",
                    worker.name,
                    ended.failure if ended else "did not end by itself",
                )


def _raise_if_failed(process, ended):
    if ended.failure:
        raise RuntimeError(
            f"{process.name} {ended.failure} at start {process.starts}: the "
            f"search is not complete. The whole log: {process.log}"
            f"{command.end_of(ended.output)}"
        )


@contextlib.contextmanager
def _caught_signals() -> Iterator[list[int]]:
    """Collects the signals that ask to end, instead of ending at once."""
    received = []
    before = {
        number: signal.signal(number, lambda got, _: received.append(got))
        for number in _SIGNALS
        # What nohup ignores stays ignored. A shell ignores interrupts for
        # what it starts in the background: the workers need theirs.
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
