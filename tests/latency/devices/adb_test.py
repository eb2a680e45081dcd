import pytest

from keras_eff.latency.devices.adb import AdbShell
from keras_eff.latency.devices.adb import choose_device
from keras_eff.latency.devices.adb import explain_state
from keras_eff.latency.devices.adb import find_adb
from keras_eff.latency.devices.adb import list_devices
from tests.latency.stand_ins import connect

pytest_plugins = ["tests.latency.stand_in_fixtures"]

PROPERTIES = {
    "ro.product.cpu.abi": "armeabi-v7a",
    "ro.product.manufacturer": "Fairphone",
    "ro.product.model": "FP5",
    "ro.build.version.release": "13",
}


def set_properties(phone, properties):
    rows = "\n".join(f"{k}) echo '{v}';;" for k, v in properties.items())
    phone.bin.write("getprop", f"case $1 in\n{rows}\n*) echo;;\nesac")


@pytest.mark.parametrize("variable", ["ANDROID_HOME", "ANDROID_SDK_ROOT"])
def test_adb_is_found_in_the_sdk(scripts, monkeypatch, variable):
    tools = scripts.folder / "platform-tools"
    tools.mkdir()
    scripts.write("platform-tools/adb", "")
    monkeypatch.setenv(variable, str(scripts.folder))
    assert find_adb() == str(tools / "adb")


def test_adb_on_path_comes_first(phone, monkeypatch):
    monkeypatch.setenv("ANDROID_HOME", "/absent")
    assert find_adb() == str(phone.scripts.folder / "adb")


def test_no_adb_is_an_error(scripts, monkeypatch):
    monkeypatch.setenv("PATH", str(scripts.folder))
    with pytest.raises(RuntimeError, match="platform tools.*ANDROID_HOME"):
        find_adb()


def test_each_device_is_listed_with_its_state(phone):
    connect(
        phone, "A\tdevice", "B\tunauthorized", "C (2)\tno permissions (udev)"
    )
    assert list_devices() == {
        "A": "device",
        "B": "unauthorized",
        "C (2)": "no permissions (udev)",
    }


def test_what_a_starting_server_prints_is_no_device(scripts):
    scripts.write(
        "adb",
        "echo '* daemon not running; starting now at tcp:5037' >&2\n"
        "echo '* daemon started successfully' >&2\n"
        "printf 'List of devices attached\\nP8\\tdevice\\n\\n'",
    )
    assert list_devices() == {"P8": "device"}


def test_a_server_that_does_not_start_is_an_error(scripts):
    scripts.write("adb", "echo 'error: cannot connect to daemon'; exit 1")
    with pytest.raises(RuntimeError, match="code 1[^$]*cannot connect"):
        list_devices()


def test_the_only_ready_device_is_chosen(phone):
    connect(phone, "A\toffline", "P8\tdevice")
    assert choose_device(None) == "P8"
    assert choose_device("P8") == "P8"


def test_several_devices_need_a_choice(phone):
    connect(phone, "P8\tdevice", "emulator-5554\tdevice")
    with pytest.raises(ValueError, match="P8, emulator-5554. Received: serial"):
        choose_device(None)
    assert choose_device("P8") == "P8"


@pytest.mark.parametrize(
    ("rows", "advice"),
    [
        ([], "Connect one, with USB debugging"),
        (["A\tunauthorized"], "'unauthorized': .* accept the dialog"),
        (["A\toffline"], "'offline': .* reconnect it"),
        (["A\tno permissions; see"], "'no permissions': .* udev rules"),
        (["A\tsideload"], "'sideload': wait until it has started"),
        (["A\toffline", "B\tunauthorized"], "A is .*; Device B is"),
    ],
    ids=["none", "unauthorized", "offline", "permissions", "other", "two"],
)
def test_a_device_that_is_not_ready_is_an_error(phone, rows, advice):
    connect(phone, *rows)
    with pytest.raises(RuntimeError, match=f"{advice}.* Received: serial=None"):
        choose_device(None)


def test_a_device_that_is_not_connected_is_an_error(phone):
    with pytest.raises(RuntimeError, match="X is not among.*serial='X'"):
        choose_device("X")
    assert "'offline'" in explain_state("X", "offline")


def test_a_phone_is_described_as_a_person_would(phone):
    shell = AdbShell("P8")
    assert shell.describe() == (
        "Google Pixel 8 (SoC Google Tensor G3), Android 14, P8"
    )
    assert shell.platform() == "android_aarch64"
    # One call tells all.
    assert len(phone.calls()) == 1


def test_an_old_phone_names_its_chip_by_its_board(phone):
    set_properties(phone, {**PROPERTIES, "ro.board.platform": "msm8998"})
    shell = AdbShell("P8")
    assert shell.describe() == "Fairphone FP5 (SoC msm8998), Android 13, P8"
    assert shell.platform() == "android_arm"


def test_an_architecture_without_prebuilt_files_keeps_its_name(phone):
    set_properties(phone, {"ro.product.cpu.abi": "riscv64"})
    assert AdbShell("P8").platform() == "android_riscv64"


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("error: device unauthorized.", "accept the dialog"),
        ("error: device offline", "does not answer"),
        ("adb: device 'P8' not found", "unplugged"),
        ("adb: no devices/emulators found", "unplugged"),
        ("error: closed", "unplugged"),
        ("error: insufficient permissions: no permissions", "udev rules"),
    ],
)
def test_a_connection_that_breaks_is_explained(phone, output, advice):
    phone.fail_on("*shell*", output)
    with pytest.raises(RuntimeError, match=f"Device P8: .*{advice}"):
        AdbShell("P8").ask("true")


def test_a_file_that_cannot_be_copied_is_an_error(phone, model):
    AdbShell("P8").push(model, str(phone.disk / "a b"), 60.0)
    assert (phone.disk / "a b").exists()
    with pytest.raises(RuntimeError, match="`adb push .*` exited with code 1"):
        AdbShell("P8").push(model, "/absent/folder/file", 60.0)
