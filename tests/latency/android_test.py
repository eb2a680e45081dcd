import pytest
from absl import logging

from keras_eff.latency import Android
from keras_eff.latency import measure

from .stand_ins import connect

pytest_plugins = ["tests.latency.stand_in_fixtures"]


def test_the_only_device_is_used(phone, model):
    latency = Android(None, phone.tool, directory=phone.directory)(model, 1, 7)
    assert latency.device == (
        "Google Pixel 8 (SoC Google Tensor G3), Android 14, P8"
    )


def test_the_processor_of_the_phone_picks_the_tool(phone, model):
    runner = Android(directory=phone.directory)
    with pytest.raises(
        FileNotFoundError, match="android_arm64/benchmark_model"
    ):
        runner(model, 1, 7)
    # Nothing was copied.
    assert phone.files() == []
    name = "android_aarch64_benchmark_model"
    phone.scripts.write(name, phone.tool.read_text())
    runner(model, 1, 7)
    assert phone.files()[0].endswith(f"-{name}")


def test_a_device_that_is_not_ready_is_an_error(phone, model):
    connect(phone, "P8\tunauthorized")
    with pytest.raises(RuntimeError, match="accept the dialog"):
        Android(binary=phone.tool)(model, 1, 7)


def test_each_connected_device_has_a_runner(phone, dense_file, monkeypatch):
    told = []
    monkeypatch.setattr(logging, "warning", lambda *args: told.append(args))
    connect(phone, "P8\tdevice", "P9\tdevice", "old\toffline")
    runners = Android.connected(binary=phone.tool, directory=phone.directory)
    rows = measure(dense_file, runner=runners)
    assert [row.device.split(", ")[-1] for row in rows] == ["P8", "P9"]
    ((_, warning),) = told
    assert warning.startswith("Device old is 'offline'")


def test_the_app_needs_no_tool(phone, model, monkeypatch):
    calls = []

    def run_app(shell, flags, timeout_s):
        calls.append((shell.name, flags, timeout_s))
        return "failed", "Failed to load model"

    monkeypatch.setattr("keras_eff.latency.android.run_app", run_app)
    runner = Android("P8", directory="/data/a", use_apk=True, timeout_s=9)
    monkeypatch.setattr(runner, "directory", phone.directory)
    with pytest.raises(RuntimeError, match="benchmark app did not.*it failed"):
        runner(model, 3, 7)
    ((serial, flags, timeout_s),) = calls
    assert (serial, timeout_s) == ("P8", 9.0)
    assert f"--graph={phone.directory}/lent-" in flags[0]
    assert "--num_threads=3" in flags
    assert phone.files() == []


@pytest.mark.parametrize(
    "argument",
    [
        {"binary": "/bin/sh"},
        {"cpu_affinity": 1},
        {"delegate": __file__},
        {"flags": ("--a=b c",)},
        {"directory": "/data/a b"},
    ],
    ids=["binary", "cpu_affinity", "delegate", "flags", "directory"],
)
def test_what_the_app_would_ignore_is_an_error(argument):
    (name,) = argument
    with pytest.raises(ValueError, match=f"use_apk=True.*Received: {name}="):
        Android(use_apk=True, **argument)


def test_arguments_are_checked_when_it_is_made():
    with pytest.raises(TypeError, match="Received: serial=3 of type"):
        Android(3)
    with pytest.raises(ValueError, match="boolean. Received: use_apk=1"):
        Android(use_apk=1)
    with pytest.raises(ValueError, match="Received: directory='tmp'"):
        Android(directory="tmp")
