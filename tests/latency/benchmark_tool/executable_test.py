import pathlib

import pytest

from keras_eff.latency.benchmark_tool.executable import check_binary
from keras_eff.latency.benchmark_tool.executable import find_binary
from keras_eff.latency.benchmark_tool.executable import find_in_environment
from keras_eff.latency.benchmark_tool.executable import host_platform

pytest_plugins = ["tests.latency.stand_in_fixtures"]

VARIABLE = "KERAS_EFF_BENCHMARK_MODEL"
HOST = host_platform()
PHONE = "android_aarch64"
MACHINES = {"arm": 40, "x86-64": 62, "aarch64": 183, "ELF machine 243": 243}


@pytest.fixture
def variable(scripts, monkeypatch):
    return lambda value: monkeypatch.setenv(VARIABLE, str(value))


def write_elf(path, architecture):
    machine = MACHINES[architecture].to_bytes(2, "little")
    path.write_bytes(b"\x7fELF" + bytes(14) + machine)
    return path


def test_the_argument_comes_first(scripts, variable, tmp_path):
    variable(scripts.write("other", ""))
    scripts.write("benchmark_model", "")
    mine = scripts.write("mine", "")
    assert find_binary(str(mine), HOST) == mine


def test_the_environment_comes_before_path(scripts, variable):
    scripts.write("benchmark_model", "")
    variable(scripts.write("other", ""))
    assert find_binary(None, HOST) == scripts.folder / "other"


@pytest.mark.parametrize("name", [f"{HOST}_benchmark_model", "benchmark_model"])
def test_this_machine_takes_both_names(scripts, variable, name):
    path = scripts.write(name, "")
    assert find_binary(None, HOST) == path
    variable(scripts.folder)
    assert find_in_environment(HOST) == path


def test_a_phone_takes_only_the_name_of_its_platform(scripts, variable):
    scripts.write("benchmark_model", "")
    variable(scripts.folder)
    assert find_in_environment(PHONE) is None
    path = scripts.write("android_aarch64_benchmark_model", "")
    path.chmod(0o644)
    assert find_binary(None, PHONE) == path


def test_a_variable_that_is_not_set_offers_nothing(scripts):
    assert find_in_environment(HOST) is None


def test_a_variable_that_names_nothing_is_an_error(variable):
    variable("/absent/folder")
    with pytest.raises(FileNotFoundError, match=f"{VARIABLE}=/absent/folder"):
        find_in_environment(HOST)


def test_a_file_for_another_architecture_is_passed_over(variable, tmp_path):
    variable(write_elf(tmp_path / "tool", "arm"))
    assert find_in_environment(PHONE) is None
    assert find_in_environment("android_arm") == tmp_path / "tool"


@pytest.mark.parametrize("architecture", ["arm", "x86-64", "ELF machine 243"])
def test_an_argument_for_another_architecture_is_an_error(
    tmp_path, architecture
):
    path = write_elf(tmp_path / "tool", architecture)
    message = f"for {PHONE}. Received: binary={path}, built for {architecture}"
    with pytest.raises(ValueError, match=message):
        find_binary(str(path), PHONE)
    assert find_binary(str(write_elf(path, "aarch64")), PHONE) == path


def test_a_file_that_is_not_executable_is_an_error_on_this_machine(scripts):
    path = scripts.write("tool", "")
    path.chmod(0o644)
    with pytest.raises(ValueError, match=f"chmod \\+x {path}"):
        find_binary(str(path), HOST)


@pytest.mark.parametrize(
    ("platform", "parts"),
    [
        (
            "android_aarch64",
            [
                "nightly/latest/android_aarch64_benchmark_model;",
                "litert/binaries/latest/android_arm64/benchmark_model;",
            ],
        ),
        (
            "linux_x86-64",
            [
                "nightly/latest/linux_x86-64_benchmark_model;",
                "litert/binaries/latest/linux_x86_64/benchmark_model;",
            ],
        ),
        ("linux_arm", ["nightly/latest/linux_arm_benchmark_model;"]),
        ("android_x86-64", ["Get your own"]),
    ],
)
def test_none_found_says_where_to_get_one(scripts, platform, parts):
    with pytest.raises(FileNotFoundError) as caught:
        find_binary(None, platform)
    always = ["bazel build -c opt", "chmod +x", f"{platform}_benchmark_model"]
    for part in [*parts, *always, "`binary`", "on PATH", VARIABLE]:
        assert part in str(caught.value)


def test_an_argument_is_checked_before_it_is_used(tmp_path):
    assert check_binary(None) is None
    assert check_binary(pathlib.Path("/bin/sh")) == "/bin/sh"
    with pytest.raises(FileNotFoundError, match="binary=/absent"):
        check_binary("/absent")
    with pytest.raises(ValueError, match="not a file"):
        check_binary(tmp_path)
    with pytest.raises(TypeError, match="binary=3 of type builtins.int"):
        check_binary(3)


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("Linux", "x86_64", "linux_x86-64"),
        ("Linux", "aarch64", "linux_aarch64"),
        ("Linux", "armv7l", "linux_arm"),
        ("Darwin", "arm64", "darwin_aarch64"),
        ("Linux", "riscv64", "linux_riscv64"),
    ],
)
def test_a_machine_has_the_name_of_the_prebuilt_files(
    monkeypatch, system, machine, name
):
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert host_platform() == name
