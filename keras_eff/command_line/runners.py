"""What runs the files of `keras-eff measure`, and where: options, runners."""

from collections.abc import Callable
from collections.abc import Sequence

import click

import keras_eff
from keras_eff.command_line.options import given
from keras_eff.command_line.options import switch

_TOOL_OPTIONS = (
    *("binary", "delegate", "cpu_affinity", "profile_ops"),
    *("warmup_runs", "timeout_s"),
)
_DEVICE_OPTIONS = ("directory", *_TOOL_OPTIONS)
# Each runner, and the options that it has.
_RUNNERS = {
    "litert": ("delegate", "warmup_runs", "timeout_s"),
    "benchmark_model": _TOOL_OPTIONS,
    "android": ("serial", "use_apk", *_DEVICE_OPTIONS),
    "remote": ("host", *_DEVICE_OPTIONS),
}


class _Names(click.ParamType):
    """Names with commas between them."""

    name = "name,..."

    def convert(self, value, param, ctx):
        return value.split(",")


_OPTIONS = (
    click.option(
        "--runner",
        type=click.Choice(list(_RUNNERS)),
        help="What runs the files. litert: this machine, in LiteRT. "
        "benchmark_model: this machine, in TFLite's tool. android: a device, "
        "over adb. remote: another machine, over ssh. By default "
        "benchmark_model if the environment variable KERAS_EFF_BENCHMARK_MODEL "
        "offers one, else litert.",
    ),
    click.option(
        "--serial",
        type=_Names(),
        help="Android devices, as `adb devices` lists them, or all; by default "
        "the only one.",
    ),
    click.option(
        "--host",
        type=_Names(),
        help="Machines for the runner remote, as ssh takes them: user@name.",
    ),
    switch(
        "use_apk",
        "Run in TFLite's benchmark app, which must be installed on the device.",
    ),
    click.option(
        "--binary", help="Path of benchmark_model, built for the device."
    ),
    click.option(
        "--delegate",
        help="What runs the file: xnnpack; none, the builtin kernels; gpu; "
        "nnapi; or the path of a delegate's library. litert has the first two.",
    ),
    click.option(
        "--cpu_affinity",
        metavar="MASK",
        help="Hexadecimal mask of the cores to use, such as f0.",
    ),
    click.option("--directory", help="Folder of the device to copy files to."),
    click.option(
        "--warmup_runs",
        type=click.IntRange(0),
        help="Runs before the timed ones.",
    ),
    click.option(
        "--timeout_s", type=float, help="Seconds that a file may take."
    ),
    switch(
        "profile_ops",
        "Time each operator; the slowest are listed below the table.",
    ),
)


def runner_options(command: Callable) -> Callable:
    """Adds --runner and the options of the runners to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def make_runners(
    runner: str | None, **options
) -> dict[str | None, Callable | None]:
    """Returns {device: runner}, None for a device or runner left open."""
    options = given(options)
    for name in options:
        if name not in _RUNNERS.get(runner, ()):
            raise click.UsageError(_explain_foreign(name, runner))
    return {None: None} if runner is None else _MAKERS[runner](options)


def read_runners(arguments: Sequence[str]) -> dict:
    """Returns what `make_runners` makes of options, as a program gets them."""
    command = click.command()(runner_options(make_runners))
    with command.make_context("runners", list(arguments)) as context:
        return command.invoke(context)


def _explain_foreign(name, runner):
    owners = [each for each, names in _RUNNERS.items() if name in names]
    received = f"--runner={runner}" if runner else "no --runner"
    return (
        f"--{name} needs --runner={' or '.join(owners)}. Received: {received}."
    )


def _litert(options):
    return {None: keras_eff.latency.LiteRT(**options)}


def _benchmark_model(options):
    return {None: keras_eff.latency.BenchmarkModel(**options)}


def _android(options):
    serials = options.pop("serial", [None])
    kind = keras_eff.latency.Android
    if serials != ["all"]:
        return {serial: kind(serial, **options) for serial in serials}
    runners = kind.connected(**options)
    if not runners:
        raise RuntimeError("no Android device is ready. See `adb devices`")
    return {runner.serial: runner for runner in runners}


def _remote(options):
    hosts = options.pop("host", [])
    if not hosts:
        raise click.UsageError("--runner=remote needs --host=USER@NAME.")
    kind = keras_eff.latency.Remote
    return {host: kind(host, **options) for host in hosts}


_MAKERS = {
    "litert": _litert,
    "benchmark_model": _benchmark_model,
    "android": _android,
    "remote": _remote,
}
