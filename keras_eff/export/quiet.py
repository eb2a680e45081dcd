"""Keeps what TensorFlow's converter prints off the terminal."""

import contextlib
import fcntl
import logging
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from collections.abc import Iterator

_STDERR = 2
# A warning of the converter for files whose ranges come from fake-quants.
_POINTLESS = "Statistics for quantized inputs were expected"
_LOGGERS = ("absl", "tensorflow")
# A line of TensorFlow's C++ code: level and date, time, thread, source file.
_LOGGED = re.compile(rb"[IWEF]\d{4} [\d:.]+ +(\d+) [^ \]]+:\d+\] ")
_UNPREPARED = b"WARNING: All log messages before absl::InitializeLog()"


@contextlib.contextmanager
def quiet() -> Iterator[Callable[[], str]]:
    """Keeps what the converter prints; yields a function to read it.

    What Python code logs is kept by the thread that logs it. Native code writes
    on standard error, which belongs to all threads: it leads to a file while
    any thread is in such a block. What others have written there meanwhile
    follows at the end of the last block. Standard output stays as it is.
    """
    # For good: to take it back would also take back what other threads have
    # changed meanwhile.
    warnings.filterwarnings("ignore", message=_POINTLESS)
    thread = threading.get_ident()

    def is_shown(record):
        return record.thread != thread

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    with contextlib.ExitStack() as stack:
        for logger in loggers:
            # A function of its own for each block: blocks may be nested.
            logger.addFilter(is_shown)
            stack.callback(logger.removeFilter, is_shown)
        yield stack.enter_context(_HELD.block())


class _HeldStandardError:
    """The standard error of this process, led to a file by several threads."""

    def __init__(self):
        self._forget()

    def _forget(self):
        self._lock = threading.Lock()
        self._depth = 0
        self._file = None
        self._terminal = None
        # Of the threads that were in a block since the first one began.
        self._threads = set()

    @contextlib.contextmanager
    def block(self):
        with self._lock:
            if not self._depth:
                self._begin()
            self._depth += 1
            self._threads.add(b"%d" % threading.get_native_id())
            start = os.fstat(self._file).st_size
        try:
            yield lambda: self._text(start)
        finally:
            with self._lock:
                # 0 in a process that was forked in the block.
                if self._depth == 1:
                    self._end()
                self._depth = max(self._depth - 1, 0)

    def _begin(self):
        _flush()
        with tempfile.TemporaryFile() as file:
            # A process without standard streams gives their numbers away.
            self._file = _duplicate(file.fileno())
        # Only to begin with, so that all writers append.
        flags = fcntl.fcntl(self._file, fcntl.F_GETFL)
        fcntl.fcntl(self._file, fcntl.F_SETFL, flags | os.O_APPEND)
        try:
            self._terminal = _duplicate(_STDERR)
        except OSError:
            self._terminal = None
        os.dup2(self._file, _STDERR)

    def _end(self):
        _flush()
        self._restore()
        if self._terminal is not None:
            lines = self._read(0).splitlines(keepends=True)
            with (
                contextlib.suppress(OSError),
                open(_STDERR, "wb", closefd=False) as stream,
            ):
                stream.writelines(
                    x for x in lines if not self._is_converters(x)
                )
        os.close(self._file)
        self._threads.clear()

    def _restore(self):
        if self._terminal is None:
            os.close(_STDERR)
        else:
            os.dup2(self._terminal, _STDERR)
            os.close(self._terminal)

    def restore_in_child(self):
        """In a forked process the thread that would restore it is missing."""
        if self._depth:
            self._restore()
            os.close(self._file)
        self._forget()

    def _read(self, start):
        return os.pread(self._file, os.fstat(self._file).st_size, start)

    def _text(self, start):
        _flush()
        return self._read(start).decode(errors="replace")

    def _is_converters(self, line):
        logged = _LOGGED.match(line)
        if logged:
            return logged[1] in self._threads
        return not line.strip() or line.startswith(_UNPREPARED)


def _duplicate(descriptor):
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _STDERR + 1)


def _flush():
    # None in a process without a terminal, and anything in a notebook.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()


_HELD = _HeldStandardError()
os.register_at_fork(after_in_child=_HELD.restore_in_child)
