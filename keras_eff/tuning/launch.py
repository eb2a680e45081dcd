"""Runs a keras-tuner search in many processes of this machine."""

import functools
import pathlib
import sys
import warnings
from collections.abc import Sequence

import click
from absl import logging

from keras_eff.messages import tell
from keras_eff.program import run_program
from keras_eff.tuning.workers import progress
from keras_eff.tuning.workers import project
from keras_eff.tuning.workers import worker_environment
from keras_eff.tuning.workers.process import SearchProcess
from keras_eff.tuning.workers.supervisor import Supervisor

_SIGNALED = 128
_CHIEF_GRACE_S = 60.0
_OF_SEVERAL_MACHINES = ("chief_address", "workers", "script", "arguments")


class _Address(click.ParamType):
    """HOST:PORT, as a tuple."""

    name = "host:port"

    def convert(self, value, param, ctx):
        host, _, port = value.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            self.fail(f"it must be HOST:PORT. Received: {value}")
        return host, int(port)


@click.command(
    # What follows the script is the script's own.
    context_settings={"allow_interspersed_args": False}
)
@click.argument("script")
@click.argument(
    "arguments", metavar="[ARGUMENT]...", nargs=-1, type=click.UNPROCESSED
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Number of workers, beside the chief.",
)
@click.option(
    "--max_restarts",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="How often each worker is started again after it dies.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Where the chief listens; 0 chooses a free port.",
)
@click.option(
    "--grace_s",
    type=click.FloatRange(0.0),
    default=30.0,
    show_default=True,
    help="Time that workers may take to end after the chief, in seconds.",
)
@click.option(
    "--project_dir",
    help="The tuner's `directory` and `project_name`, joined: to count trials "
    "while they run, to resume a search that one process began, and to let "
    "one process reload this one.",
)
@click.option(
    "--log_dir",
    help="Directory of the logs; by default beside the project, or, without "
    "--project_dir, SCRIPT_logs in the current directory.",
)
@click.option(
    "--chief_address",
    type=_Address(),
    help="Runs nothing: prints the command lines for several machines, with "
    "the chief at this address.",
)
@click.pass_context
def launch(context, script, arguments, workers, chief_address, **options):
    """Search with keras-tuner in many processes of this machine.

    SCRIPT is one that searches by itself: it makes a tuner, with
    `overwrite=False`, and calls `tuner.search`. It is run as keras-tuner's
    chief, which hands out the trials, and as its workers. What stands after
    `search` runs in each of them; only the chief
    (os.environ["KERASTUNER_TUNER_ID"] == "chief") can still read the trials
    there, because it then takes no more requests. Each process prints to a log
    of its own.

    A worker that dies is started again under its id, so that it takes up its
    trial again. Ctrl-C ends everything; the same command then resumes the
    search. The exit code is 1 if the search is not complete, and 128 + N after
    signal N.

    With --project_dir, one process can read the trials back with the script's
    own tuner; keras_eff.tuning.read_trials reads them in any case.

    \b
    Example:
      keras-eff launch --workers=4 search.py --epochs=20
    """
    names = [
        worker_environment.CHIEF,
        *worker_environment.worker_names(workers),
    ]
    if chief_address is not None:
        _refuse_local_options(context)
        return _print_command_lines(names, [script, *arguments], *chief_address)
    if not pathlib.Path(script).is_file():
        raise FileNotFoundError(f"There is no script {script!r}.")
    logging.set_verbosity(max(logging.INFO, logging.get_verbosity()))
    return _search(names, [script, *arguments], **options)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `keras-eff launch`; deprecated.

    Args:
        arguments: Strings, options, then the script and its own arguments.
            Defaults to those that the process was started with.

    Returns:
        Integer, the exit code.
    """
    warnings.warn(
        "`python -m keras_eff.tuning.launch` is called `keras-eff launch`. The "
        "old name will be removed in keras_eff 0.3.",
        DeprecationWarning,
        stacklevel=2,
    )
    return run_program(launch, "keras-eff launch", arguments)


def _refuse_local_options(context):
    for name in context.params:
        source = context.get_parameter_source(name)
        is_given = source is not click.core.ParameterSource.DEFAULT
        if is_given and name not in _OF_SEVERAL_MACHINES:
            raise click.UsageError(
                "With --chief_address nothing runs here. "
                f"Received: --chief_address and --{name}."
            )


def _print_command_lines(names, argv, host, port):
    click.echo(
        "# The project's directory must be on a disk that all of them share."
    )
    for name in names:
        variables = worker_environment.environment(name, host, port)
        click.echo(
            worker_environment.command_line(variables, ["python", *argv])
        )


def _search(names, argv, *, max_restarts, port, grace_s, project_dir, log_dir):
    directory = project_dir and pathlib.Path(project_dir).resolve()
    if directory:
        project.settle(directory)
    port = port or worker_environment.free_port()
    logs = _log_directory(log_dir, directory, argv[0])
    chief, *workers = _processes(names, argv, port, logs)
    number = Supervisor(
        chief,
        workers,
        max_restarts=max_restarts,
        grace_s=grace_s,
        chief_grace_s=_CHIEF_GRACE_S,
        is_listening=functools.partial(worker_environment.listens, port),
        watch=progress.Progress(directory) if directory else _watch_nothing,
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
    logging.info("trials: %s", progress.describe(ended))
    if not ended or set(ended) - {"COMPLETED", "FAILED"}:
        raise RuntimeError(
            "The search ended, but trials of the project did not, or it is "
            f"another project. Received: --project_dir={directory}, with "
            f"trials: {progress.describe(ended)}"
        )
    return 0


def _processes(names, argv, port, logs):
    logs.mkdir(parents=True, exist_ok=True)
    return [
        SearchProcess(
            name,
            [sys.executable, *argv],
            worker_environment.local_environment(name, port),
            logs / f"{name}.log",
        )
        for name in names
    ]


def _log_directory(log_dir, directory, script):
    if log_dir:
        return pathlib.Path(log_dir)
    if directory:
        return directory.with_name(f"{directory.name}_logs")
    return pathlib.Path(f"{pathlib.Path(script).stem}_logs")


def _watch_nothing():
    """There is no project to look at."""


if __name__ == "__main__":
    sys.exit(main())
