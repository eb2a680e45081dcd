"""Runs a keras-tuner search in many processes of this machine.

    python -m keras_eff.tuning.launch --workers=4 search.py --epochs=20

The script is one that searches by itself: it makes a tuner, with
`overwrite=False`, and calls `tuner.search`. It is run as keras-tuner's chief,
which hands out the trials, and as its workers. What stands after `search` runs
in each of them; only the chief (os.environ["KERASTUNER_TUNER_ID"] == "chief")
can still read the trials there, because it then takes no more requests. Each
process prints to a log of its own.

A worker that dies is started again under its id, so that it takes up its trial
again. Ctrl-C ends everything; the same command then resumes the search.

Exit code: 0 if the search is complete; 1 if not; 2 if the arguments are wrong;
128 + N after signal N.

With --project_dir, one process can read the trials back with the script's own
tuner; keras_eff.tuning.read_trials reads them in any case.
"""

import functools
import pathlib
import sys
from collections.abc import Sequence

from absl import flags as absl_flags
from absl import logging

from keras_eff.messages import log_to_stderr
from keras_eff.messages import tell
from keras_eff.tuning import project
from keras_eff.tuning import worker_environment
from keras_eff.tuning.member import Member
from keras_eff.tuning.progress import Progress
from keras_eff.tuning.progress import describe
from keras_eff.tuning.supervisor import Supervisor

_NOT_COMPLETE = 1
_USER_ERROR = 2
_SIGNALED = 128
_CHIEF_GRACE_S = 60.0
_LOCAL_FLAGS = ("project_dir", "log_dir", "port", "max_restarts", "grace_s")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a search, or prints how to run it, and returns the exit code.

    Args:
        arguments: Strings, flags, then the script and its own arguments.
            Defaults to those that the process was started with.

    Returns:
        Integer: 0 if the search is complete or only the help or command lines
        were asked for; 1 if it is not complete; 2 if the arguments are wrong;
        128 + N after signal N.

    Example:

    >>> from keras_eff.tuning.launch import main
    >>> main(["--workers=1", "--chief_address=box:8000", "search.py"])
    # The project's directory must be on a disk that all of them share.
    KERASTUNER_TUNER_ID=chief KERASTUNER_ORACLE_IP=box ...
    0
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    with log_to_stderr():
        logging.set_verbosity(logging.INFO)
        try:
            return _run(arguments)
        except (ValueError, OSError, absl_flags.Error) as error:
            tell(f"error: {error}")
            return _USER_ERROR
        except RuntimeError as error:
            tell(f"error: {error}")
            return _NOT_COMPLETE


def _run(arguments):
    flags = _define_flags()
    _, *argv = flags(["launch", *arguments])
    if flags.help:
        sys.stdout.write(f"{__doc__}\n{flags.main_module_help()}\n")
        return 0
    _check_script(argv)
    if flags.chief_address is not None:
        return _print_command_lines(flags, argv)
    if not pathlib.Path(argv[0]).is_file():
        raise FileNotFoundError(f"There is no script {argv[0]!r}.")
    return _search(flags, argv)


def _define_flags():
    flags = absl_flags.FlagValues()
    # What follows the script is the script's own.
    flags.set_gnu_getopt(False)
    define = functools.partial(_define, flags)
    define("integer", "workers", 2, "Number of workers, beside the chief.", 1)
    define(
        "integer",
        "max_restarts",
        3,
        "How often each worker is started again after it dies.",
        0,
    )
    define(
        "integer",
        "port",
        0,
        "Where the chief listens; 0 chooses a free port.",
        0,
        upper_bound=65535,
    )
    define(
        "float",
        "grace_s",
        30.0,
        "Time that workers may take to end after the chief, in seconds.",
        0.0,
    )
    define(
        "string",
        "project_dir",
        None,
        "The tuner's `directory` and `project_name`, joined: to count trials "
        "while they run, to resume a search that one process began, and to "
        "let one process reload this one.",
    )
    define(
        "string",
        "log_dir",
        None,
        "Directory of the logs. The default is beside the project, or, "
        "without --project_dir, SCRIPT_logs in the current directory.",
    )
    define(
        "string",
        "chief_address",
        None,
        "HOST:PORT. Runs nothing: prints the command lines for several "
        "machines, with the chief at this address.",
    )
    define("boolean", "help", False, "Print this text.", short_name="h")
    return flags


def _define(flags, kind, name, default, text, lower_bound=None, **options):
    if lower_bound is not None:
        options["lower_bound"] = lower_bound
    define = getattr(absl_flags, f"DEFINE_{kind}")
    define(name, default, text, flag_values=flags, **options)


def _check_script(argv):
    if not argv:
        raise ValueError(
            "A script must be given. Received none: "
            "python -m keras_eff.tuning.launch --workers=4 script.py"
        )


def _print_command_lines(flags, argv):
    ignored = [name for name in _LOCAL_FLAGS if flags[name].present]
    if ignored:
        raise ValueError(
            "With --chief_address nothing runs here. "
            f"Received: --chief_address and --{ignored[0]}"
        )
    host, port = _address(flags.chief_address)
    names = worker_environment.worker_names(flags.workers)
    lines = [
        worker_environment.command_line(
            worker_environment.environment(name, host, port),
            ["python", *argv],
        )
        for name in [worker_environment.CHIEF, *names]
    ]
    comment = "The project's directory must be on a disk that all of them share"
    sys.stdout.write("\n".join([f"# {comment}.", *lines, ""]))
    return 0


def _address(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(
            "Flag --chief_address must be HOST:PORT. "
            f"Received: --chief_address={text}"
        )
    return host, int(port)


def _search(flags, argv):
    directory = _project_directory(flags)
    if directory:
        project.settle(directory)
    port = flags.port or worker_environment.free_port()
    chief, *workers = _members(flags, argv, port)
    number = Supervisor(
        chief,
        workers,
        max_restarts=flags.max_restarts,
        grace_s=flags.grace_s,
        chief_grace_s=_CHIEF_GRACE_S,
        is_listening=functools.partial(worker_environment.listens, port),
        watch=Progress(directory) if directory else _watch_nothing,
    ).run()
    if number is not None:
        tell("interrupted: the same command resumes the search")
        return _SIGNALED + number
    return _conclude(directory)


def _conclude(directory):
    """Makes sure of the project and returns the exit code."""
    if not directory:
        return 0
    project.settle(directory)
    ended = project.counts(directory)
    logging.info("trials: %s", describe(ended))
    if not ended or set(ended) - {"COMPLETED", "FAILED"}:
        raise RuntimeError(
            "The search ended, but trials of the project did not, or it is "
            f"another project. Received: --project_dir={directory}, with "
            f"trials: {describe(ended)}"
        )
    return 0


def _members(flags, argv, port):
    logs = _log_directory(flags, argv[0])
    logs.mkdir(parents=True, exist_ok=True)
    names = worker_environment.worker_names(flags.workers)
    return [
        Member(
            name,
            [sys.executable, *argv],
            worker_environment.local_environment(name, port),
            logs / f"{name}.log",
        )
        for name in [worker_environment.CHIEF, *names]
    ]


def _project_directory(flags):
    return flags.project_dir and pathlib.Path(flags.project_dir).resolve()


def _log_directory(flags, script):
    if flags.log_dir:
        return pathlib.Path(flags.log_dir)
    if directory := _project_directory(flags):
        return directory.with_name(f"{directory.name}_logs")
    return pathlib.Path(f"{pathlib.Path(script).stem}_logs")


def _watch_nothing():
    """There is no project to look at."""


if __name__ == "__main__":
    sys.exit(main())
