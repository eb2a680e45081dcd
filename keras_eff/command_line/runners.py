"""The flags of `keras-eff measure` that say what runs the files, and where."""

from collections.abc import Callable

from absl import flags as absl_flags

import keras_eff
from keras_eff.command_line.command import given

_TOOL_OPTIONS = (
    *("binary", "delegate", "cpu_affinity", "profile_ops"),
    *("warmup_runs", "timeout_s"),
)
_DEVICE_OPTIONS = ("directory", *_TOOL_OPTIONS)
# Each runner, and the flags that it has.
_RUNNERS = {
    "litert": ("delegate", "warmup_runs", "timeout_s"),
    "benchmark_model": _TOOL_OPTIONS,
    "android": ("serial", "use_apk", *_DEVICE_OPTIONS),
    "remote": ("host", *_DEVICE_OPTIONS),
}
_KERNELS_OF_LITERT = {"xnnpack": True, "none": False}


def define_runner_flags(flags: absl_flags.FlagValues) -> None:
    """Defines --runner and the flags of the runners."""
    _define_choices(flags)
    for name, text in (
        ("binary", "Path of benchmark_model, built for the device."),
        (
            "delegate",
            "What runs the file: xnnpack; none, the builtin kernels; gpu; "
            "nnapi; or the path of a delegate's library. litert has the first "
            "two.",
        ),
        ("cpu_affinity", "Hexadecimal mask of the cores to use, such as f0."),
        ("directory", "Folder of the device to copy files to."),
    ):
        absl_flags.DEFINE_string(name, None, text, flag_values=flags)
    absl_flags.DEFINE_integer(
        "warmup_runs", None, "Runs before the timed ones.", 0, flag_values=flags
    )
    absl_flags.DEFINE_float(
        "timeout_s", None, "Seconds that a file may take.", flag_values=flags
    )
    absl_flags.DEFINE_boolean(
        "profile_ops",
        False,
        "Time each operator; the slowest are listed below the table.",
        flag_values=flags,
    )


def _define_choices(flags):
    absl_flags.DEFINE_enum(
        "runner",
        None,
        list(_RUNNERS),
        "What runs the files. litert: this machine, in LiteRT. "
        "benchmark_model: this machine, in TFLite's tool. android: a device, "
        "over adb. remote: another machine, over ssh. Without this flag, "
        "benchmark_model if the environment variable "
        "KERAS_EFF_BENCHMARK_MODEL offers one, else litert.",
        flag_values=flags,
    )
    absl_flags.DEFINE_list(
        "serial",
        None,
        "Android devices, as `adb devices` lists them, or all; without this "
        "flag, the only one.",
        flag_values=flags,
    )
    absl_flags.DEFINE_list(
        "host",
        None,
        "Machines for the runner remote, as ssh takes them: user@name.",
        flag_values=flags,
    )
    absl_flags.DEFINE_boolean(
        "use_apk",
        False,
        "Run in TFLite's benchmark app, which must be installed on the device.",
        flag_values=flags,
    )


def make_runners(
    flags: absl_flags.FlagValues,
) -> dict[str | None, Callable | None]:
    """Returns {device: runner}, None for a device or runner left open.

    Raises:
        ValueError: If a flag was given that the runner does not have.
        RuntimeError: If no device is ready.
    """
    every = {name: None for names in _RUNNERS.values() for name in names}
    options = given(flags, list(every))
    known = _RUNNERS.get(flags.runner, ())
    for name in options:
        if name not in known:
            raise ValueError(_explain_foreign(name, flags.runner))
    if flags.runner is None:
        return {None: None}
    return _MAKERS[flags.runner](options)


def _explain_foreign(name, runner):
    owners = [each for each, names in _RUNNERS.items() if name in names]
    received = f"--runner={runner}" if runner else "no --runner"
    return (
        f"measure: --{name} needs --runner={' or '.join(owners)}. "
        f"Received: {received}"
    )


def _litert(options):
    delegate = options.pop("delegate", None)
    if delegate is not None:
        if delegate not in _KERNELS_OF_LITERT:
            raise ValueError(
                "measure: with --runner=litert, --delegate must be one of "
                f"{', '.join(_KERNELS_OF_LITERT)}. Received: {delegate}"
            )
        options["use_xnnpack"] = _KERNELS_OF_LITERT[delegate]
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
        raise RuntimeError(
            "measure: no Android device is ready. See `adb devices`"
        )
    return {runner.serial: runner for runner in runners}


def _remote(options):
    hosts = options.pop("host", [])
    if not hosts:
        raise ValueError("measure: --runner=remote needs --host=USER@NAME")
    kind = keras_eff.latency.Remote
    return {host: kind(host, **options) for host in hosts}


_MAKERS = {
    "litert": _litert,
    "benchmark_model": _benchmark_model,
    "android": _android,
    "remote": _remote,
}
