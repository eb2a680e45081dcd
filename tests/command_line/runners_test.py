import click
import pytest

import keras_eff
from keras_eff.command_line.runners import read_runners


@pytest.fixture
def make():
    return lambda line: read_runners(line.split())


def test_the_runner_is_left_open_by_default(make):
    assert make("") == {None: None}


def test_litert_has_its_options(make):
    (runner,) = make("--runner=litert --warmup_runs=2 --timeout_s=9").values()
    assert isinstance(runner, keras_eff.latency.LiteRT)
    assert (runner.warmup_runs, runner.timeout_s) == (2, 9.0)
    assert runner.delegate == "xnnpack"


@pytest.mark.parametrize("delegate", ["xnnpack", "none"])
def test_litert_runs_in_the_default_delegate_or_without(make, delegate):
    (runner,) = make(f"--runner=litert --delegate={delegate}").values()
    assert runner.delegate == delegate


def test_litert_has_no_other_delegate(make):
    with pytest.raises(ValueError, match="`delegate` must be one of.*gpu"):
        make("--runner=litert --delegate=gpu")


def test_benchmark_model_has_its_options(make, tmp_path):
    (tmp_path / "tool").touch()
    line = f"--runner=benchmark_model --binary={tmp_path / 'tool'}"
    more = "--delegate=gpu --cpu_affinity=f0 --profile_ops --warmup_runs=0"
    (runner,) = make(f"{line} {more}").values()
    assert isinstance(runner, keras_eff.latency.BenchmarkModel)
    assert str(runner.binary) == str(tmp_path / "tool")
    assert (runner.delegate, runner.cpu_affinity) == ("gpu", "f0")
    assert (runner.profile_ops, runner.warmup_runs) == (True, 0)


def test_android_takes_the_only_device_by_default(make):
    ((serial, runner),) = make("--runner=android --use_apk").items()
    assert isinstance(runner, keras_eff.latency.Android)
    assert (serial, runner.serial, runner.use_apk) == (None, None, True)


def test_android_takes_several_devices(make):
    runners = make("--runner=android --serial=A1,B2 --directory=/data/x")
    assert [runner.serial for runner in runners.values()] == ["A1", "B2"]
    assert {runner.directory for runner in runners.values()} == {"/data/x"}
    assert list(runners) == ["A1", "B2"]


def test_android_takes_all_devices(make, monkeypatch):
    def connected(**options):
        kind = keras_eff.latency.Android
        return [kind(serial, **options) for serial in ("A1", "B2")]

    monkeypatch.setattr(keras_eff.latency.Android, "connected", connected)
    runners = make("--runner=android --serial=all --delegate=none")
    assert list(runners) == ["A1", "B2"]
    assert {runner.delegate for runner in runners.values()} == {"none"}


def test_no_device_is_an_error(make, monkeypatch):
    android = keras_eff.latency.Android
    monkeypatch.setattr(android, "connected", lambda **options: [])
    with pytest.raises(RuntimeError, match="no Android device is ready"):
        make("--runner=android --serial=all")


def test_remote_takes_several_machines(make):
    runners = make("--runner=remote --host=pi@one,two")
    assert [runner.host for runner in runners.values()] == ["pi@one", "two"]


def test_remote_needs_a_machine(make):
    with pytest.raises(click.UsageError, match="needs --host=USER@NAME"):
        make("--runner=remote")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--serial=A1", "--serial needs --runner=android. .* no --runner"),
        ("--delegate=none", "--delegate needs --runner=litert or bench"),
        ("--runner=litert --profile_ops", "--profile_ops needs .*=litert.$"),
        ("--runner=benchmark_model --host=pi", "--host needs --runner=remote"),
        ("--runner=remote --host=pi --use_apk", "--use_apk needs .*=android"),
    ],
    ids=lambda text: text.split()[-1],
)
def test_a_flag_that_the_runner_does_not_have_is_an_error(make, line, message):
    with pytest.raises(click.UsageError, match=message):
        make(line)


def test_a_wrong_value_is_an_error_of_the_runner(make):
    with pytest.raises(ValueError, match="`cpu_affinity` must be a mask"):
        make("--runner=android --cpu_affinity=x")
