"""Finding and running edgetpu_compiler, a program of its own."""

import math
import os
import pathlib
import shutil

from keras_eff import command

NAME = "edgetpu_compiler"
VARIABLE = "KERAS_EFF_EDGETPU_COMPILER"
_REPOSITORY = (
    "deb https://packages.cloud.google.com/apt coral-edgetpu-stable main"
)
_NOTEBOOK = (
    "https://colab.research.google.com/github/google-coral/tutorials/blob/"
    "master/compile_for_edgetpu.ipynb"
)


def find_compiler(compiler: str | os.PathLike | None = None) -> str | None:
    """Returns the compiler to run, or None if there is none.

    `compiler`: path or name of the program. By default, what the environment
    variable `KERAS_EFF_EDGETPU_COMPILER` names, else `edgetpu_compiler` on the
    PATH.
    """
    if compiler is not None:
        return _executable(compiler, "Argument `compiler`", "compiler")
    if os.environ.get(VARIABLE):
        label = f"Environment variable `{VARIABLE}`"
        return _executable(os.environ[VARIABLE], label, VARIABLE)
    return shutil.which(NAME)


def _executable(program, label, name):
    found = shutil.which(program)
    if found is None:
        raise FileNotFoundError(
            f"{label} must be an executable program. "
            f"Received: {name}={os.fspath(program)!r}"
        )
    return os.path.abspath(found)


def arguments(
    path: str | os.PathLike,
    folder: str | os.PathLike,
    num_segments: int,
    timeout_s: float,
) -> list[str]:
    """Returns the compiler's command line, without the compiler."""
    return [
        "-s",
        *("-o", os.fspath(folder)),
        *("-n", str(num_segments)),
        *("-t", str(math.ceil(timeout_s))),
        os.fspath(path),
    ]


def run_compiler(compiler: str, argv: list[str], timeout_s: float) -> str:
    """Returns what the compiler prints.

    When the time is over, or the caller is interrupted, it is killed with
    everything it has started.
    """
    finished = command.run([compiler, *argv], timeout_s)
    if finished.failure:
        raise RuntimeError(explain(finished.failure, finished.output))
    return finished.output


def explain(failure: str, output: str) -> str:
    """Returns an error message with the end of what the compiler printed."""
    return f"{NAME} {failure}.{command.end_of(output)}"


def how_to_compile(path: str | os.PathLike, num_segments: int) -> str:
    """Returns how to compile a file where there is no compiler."""
    path = pathlib.Path(path)
    flags = f"-s -n {num_segments}" if num_segments > 1 else "-s"
    return (
        f"{NAME} runs on x86-64 Debian and its derivatives, from the package "
        f"edgetpu-compiler of the repository `{_REPOSITORY}`. There: "
        f"`{NAME} {flags} {path.name}`. Or use Coral's notebook, {_NOTEBOOK}"
    )
