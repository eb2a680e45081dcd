"""Finds the executable of benchmark_model for a platform."""

import os
import pathlib
import platform as this_platform
import shutil

from keras_eff.arguments import wrong_type

VARIABLE = "KERAS_EFF_BENCHMARK_MODEL"

# uname -m and Android's ABIs -> the names that the prebuilt files use.
ARCHITECTURES = {
    "x86_64": "x86-64",
    "amd64": "x86-64",
    "aarch64": "aarch64",
    "arm64": "aarch64",
    "arm64-v8a": "aarch64",
    "arm": "arm",
    "armv6l": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
    "armeabi-v7a": "arm",
}
# Bytes 18 and 19 of an ELF file.
_ELF_MACHINES = {3: "x86", 40: "arm", 62: "x86-64", 183: "aarch64"}
_TFLITE_URL = (
    "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/"
    "release/lite/tools/nightly/latest/"
)
_TFLITE_PLATFORMS = (
    "linux_x86-64",
    "linux_aarch64",
    "linux_arm",
    "android_aarch64",
    "android_arm",
)
_LITERT_URL = "https://storage.googleapis.com/litert/binaries/latest/"
_LITERT_FOLDERS = {
    "android_aarch64": "android_arm64",
    "linux_aarch64": "linux_arm64",
    "linux_x86-64": "linux_x86_64",
}
_TARGET = "//tensorflow/lite/tools/benchmark:benchmark_model"


def download_url(name: str) -> str:
    """Returns where TFLite's nightly build offers a file."""
    return _TFLITE_URL + name


def host_platform() -> str:
    """Returns this machine's name among the platforms: "linux_x86-64"."""
    machine = this_platform.machine().lower()
    architecture = ARCHITECTURES.get(machine, machine)
    return f"{this_platform.system().lower()}_{architecture}"


def check_binary(binary: str | os.PathLike | None) -> str | None:
    """Returns the argument `binary` of a runner, once it names a file."""
    if binary is None:
        return None
    if not isinstance(binary, str | os.PathLike):
        raise wrong_type("binary", binary, "a path or None")
    path = pathlib.Path(binary)
    if not path.exists():
        raise FileNotFoundError(
            "Argument `binary` must name an executable of benchmark_model. "
            f"Received: binary={path}, which does not exist"
        )
    if not path.is_file():
        raise ValueError(
            "Argument `binary` must name an executable of benchmark_model. "
            f"Received: binary={path}, which is not a file"
        )
    return str(path)


def find_binary(binary: str | None, platform: str) -> pathlib.Path:
    """Returns the executable of benchmark_model to use on a platform.

    It is the argument, else what the environment variable
    KERAS_EFF_BENCHMARK_MODEL names (a file, or a folder of prebuilt files),
    else a file on PATH.
    """
    found = binary or find_in_environment(platform) or _find_on_path(platform)
    if found is None:
        raise FileNotFoundError(_explain_missing(platform))
    found = pathlib.Path(found)
    if not _fits(found, platform):
        raise ValueError(
            f"The executable of benchmark_model must be built for {platform}. "
            f"Received: binary={found}, built for {_architecture(found)}"
        )
    if platform == host_platform() and not os.access(found, os.X_OK):
        raise ValueError(
            "The executable of benchmark_model must be executable: run `chmod "
            f"+x {found}`. Received: binary={found}"
        )
    return found.absolute()


def find_in_environment(platform: str) -> pathlib.Path | None:
    """Returns what KERAS_EFF_BENCHMARK_MODEL offers for a platform."""
    value = os.environ.get(VARIABLE)
    if not value:
        return None
    path = pathlib.Path(value)
    if not path.exists():
        raise FileNotFoundError(
            f"The environment variable {VARIABLE} must name a file or a folder "
            f"that exists. Received: {VARIABLE}={value}"
        )
    if path.is_file():
        return path if _fits(path, platform) else None
    candidates = (path / name for name in _file_names(platform))
    return next(filter(pathlib.Path.is_file, candidates), None)


def _find_on_path(platform):
    return next(filter(None, map(shutil.which, _file_names(platform))), None)


def _file_names(platform):
    names = [f"{platform}_benchmark_model"]
    # A name without a platform means the machine it lies on.
    return names + ["benchmark_model"] * (platform == host_platform())


def _fits(path, platform):
    return _architecture(path) in (None, platform.partition("_")[2])


def _architecture(path):
    """Returns what an ELF file is built for; None for any other file."""
    with open(path, "rb") as opened:
        head = opened.read(20)
    if head[:4] != b"\x7fELF":
        return None
    machine = int.from_bytes(head[18:20], "little")
    return _ELF_MACHINES.get(machine, f"ELF machine {machine}")


def _explain_missing(platform):
    names = _file_names(platform)
    sources = []
    if platform in _TFLITE_PLATFORMS:
        sources.append(f"TFLite's, {download_url(names[0])}")
    if platform in _LITERT_FOLDERS:
        url = f"{_LITERT_URL}{_LITERT_FOLDERS[platform]}/benchmark_model"
        sources.append(f"LiteRT's, {url}")
    sources.append(f"your own, from `bazel build -c opt {_TARGET}`")
    return (
        f"No executable of benchmark_model for {platform} was found. Get "
        f"{'; or '.join(sources)}. Run `chmod +x` on it, then pass its path "
        f"as `binary`, or name it {' or '.join(names)} and put it on PATH or "
        f"in the folder that the environment variable {VARIABLE} names (which "
        "may also name the file itself)."
    )
