import re

import pytest

from keras_eff.latency import Android
from keras_eff.latency import Remote
from tests.latency.stand_ins import HANG_ALONE
from tests.latency.stand_ins import INTERRUPT
from tests.latency.stand_ins import has_ended
from tests.latency.stand_ins import litert_log
from tests.latency.stand_ins import replay
from tests.latency.stand_ins import tflite_log

pytest_plugins = ["tests.latency.stand_in_fixtures"]


on_phone = pytest.mark.parametrize("device", ["phone"], indirect=True)


@pytest.fixture(params=["phone", "board"])
def device(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def make(device):
    def make_runner(**options):
        options = {"directory": device.directory, **options}
        if device.connector == "adb":
            return Android("P8", device.tool, **options)
        return Remote("pi", device.tool, **options)

    return make_runner


def find_call(device, part):
    (call,) = [call for call in device.calls() if part in call]
    return call


def test_it_returns_what_the_tool_measured_there(device, make, model):
    latency = make()(model, 2, 7)
    assert latency.median_ms == pytest.approx(0.2)
    assert latency.num_runs == 7 and latency.num_threads == 2
    assert latency.runner == "benchmark_model tflite xnnpack"
    assert latency.device.endswith({"adb": "P8"}.get(device.connector, "(pi)"))


def test_the_tool_runs_in_its_folder_on_the_cores_asked(device, make, model):
    make(cpu_affinity="f0", flags=("--a=b c",))(model, 2, 7)
    call = find_call(device, "--graph=")
    folder = re.escape(device.disk.name.split("'")[0])
    assert re.search(rf"cd .*{folder}.*&& taskset f0 \./\w{{16}}-tool", call)
    assert call.rstrip("'").endswith("2>&1; echo RC=$?")
    (taskset,) = device.bin.calls("taskset")
    assert taskset.startswith("f0 ./") and taskset.endswith(" --a=b c")
    assert f"--graph={device.directory}/lent-" in taskset


def test_only_the_tool_stays(device, make, model):
    make()(model, 1, 7)
    (name,) = device.files()
    assert name.endswith("-tool")


def test_the_tool_is_copied_only_once(device, make, model):
    runner = make()
    runner(model, 1, 7)
    first = len(device.calls())
    runner(model, 1, 7)
    copies = [
        [call for call in calls if " push " in call or "cat > " in call]
        for calls in (device.calls()[:first], device.calls()[first:])
    ]
    # The model is copied each time.
    assert list(map(len, copies)) == [2, 1]


def test_an_external_delegate_is_copied_too(device, make, model, tmp_path):
    (tmp_path / "libvx.so").write_text("a library")
    make(delegate=tmp_path / "libvx.so", cpu_affinity=1)(model, 1, 7)
    assert any(name.endswith("-libvx.so") for name in device.files())
    (call,) = device.bin.calls("taskset")
    folder = re.escape(device.directory)
    assert re.search(
        rf"external_delegate_path={folder}/\w{{16}}-libvx.so", call
    )


@on_phone
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (replay("Benchmarking failed.", 1), r"code 1[^$]*Benchmarking failed"),
        ("echo STARTING!; kill -SEGV $$", "signal SIGSEGV"),
        (replay("STARTING!\n"), "did not measure the file"),
        ("exit 126", "mounted noexec"),
        ("exit 127", "lacks something there"),
        (replay(tflite_log(), 1), "code 1"),
    ],
    ids=["failed", "crash", "half", "noexec", "lacking", "summary"],
)
def test_a_tool_that_fails_is_an_error(device, make, model, body, reason):
    device.set_tool(body)
    with pytest.raises(RuntimeError, match=reason):
        make()(model, 1, 7)
    (name,) = device.files()
    assert name.endswith("-tool")


@on_phone
def test_an_option_that_the_build_lacks_is_an_error(device, make, model):
    device.set_tool(replay(litert_log("--use_nnapi=true")))
    with pytest.raises(RuntimeError, match="does not know delegate='nnapi'"):
        make(delegate="nnapi")(model, 1, 7)


def test_a_device_that_goes_away_is_an_error(device, make, model):
    device.fail_on("*--graph=*", "INFO: STARTING!", code=255)
    with pytest.raises(RuntimeError, match=r"went away[^$]*STARTING!"):
        make()(model, 1, 7)
    # It may be there again.
    assert any("rm -f" in call for call in device.calls())


def test_a_full_device_is_an_error(device, make, model):
    fault = "write: No space left on device\nRC=1"
    device.fail_on("*cat*'>'*|*push*", fault)
    with pytest.raises(RuntimeError, match="free some space"):
        make()(model, 1, 7)
    assert device.files() == []


@pytest.mark.parametrize(
    ("device", "body", "error"),
    [
        ("phone", HANG_ALONE, RuntimeError),
        ("board", INTERRUPT, KeyboardInterrupt),
    ],
    indirect=["device"],
    ids=["timeout", "interruption"],
)
def test_no_process_is_left_there(device, make, model, body, error):
    device.set_tool(body)
    timeout_s = 2.0 if error is RuntimeError else 600.0
    with pytest.raises(error):
        make(timeout_s=timeout_s, cpu_affinity=1)(model, 1, 7)
    assert has_ended(device.bin.child())
    assert not any(name.startswith("lent-") for name in device.files())
