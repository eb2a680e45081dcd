"""What keras-tuner reads from the environment of a chief and its workers."""

import os
import shlex
import socket
from collections.abc import Mapping
from collections.abc import Sequence

CHIEF = "chief"
LOCALHOST = "127.0.0.1"


def worker_names(count: int) -> list[str]:
    """Returns the ids of the workers, the same in every search.

    keras-tuner gives a worker that returns under its id the trial it had.
    """
    return [f"tuner{i}" for i in range(count)]


def environment(name: str, host: str, port: int) -> dict[str, str]:
    """Returns the variables that make a process the chief or a worker.

    `name`: `CHIEF`, or one of `worker_names`. `host`: name or address of the
    chief's machine.
    """
    return {
        "KERASTUNER_TUNER_ID": name,
        "KERASTUNER_ORACLE_IP": host,
        "KERASTUNER_ORACLE_PORT": str(port),
    }


def local_environment(name: str, port: int) -> dict[str, str]:
    """Returns the whole environment of a process of this machine.

    gRPC would send even what stays on the machine through a proxy.
    """
    inherited = dict(os.environ)
    direct = inherited.get("no_grpc_proxy") or inherited.get("no_proxy", "")
    return {
        **inherited,
        "no_grpc_proxy": ",".join(filter(None, [direct, LOCALHOST])),
        "PYTHONUNBUFFERED": "1",
        **environment(name, LOCALHOST, port),
    }


def command_line(variables: Mapping[str, str], argv: Sequence[str]) -> str:
    """Returns a command with its variables, as a POSIX shell reads it."""
    settings = [f"{key}={shlex.quote(x)}" for key, x in variables.items()]
    return " ".join([*settings, shlex.join(argv)])


def free_port() -> int:
    """Returns a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOCALHOST, 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    try:
        socket.create_connection((LOCALHOST, port), timeout=1.0).close()
    except OSError:
        return False
    return True
