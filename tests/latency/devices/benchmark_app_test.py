import pytest

from keras_eff.latency.benchmark_tool.log import read_log
from keras_eff.latency.devices import benchmark_app
from keras_eff.latency.devices.adb import AdbShell
from keras_eff.latency.devices.benchmark_app import run_app
from tests.latency.stand_ins import tflite_log

pytest_plugins = ["tests.latency.stand_in_fixtures"]

FLAGS = ["--graph=/data/local/tmp/m.tflite", "--num_threads=4"]
# Each start of the app adds a part of the log; `logcat -c` empties it.
LOGCAT = """\
cd {folder}
if [ "$1" = -c ]; then rm -f polls; exit; fi
echo poll >> polls
echo '--------- beginning of main'
head -n "$(($(wc -l < polls) * STEP))" log | sed 's|^|I/tflite  ( 4711): |'
"""


@pytest.fixture
def set_log(phone, monkeypatch):
    monkeypatch.setattr(benchmark_app, "_POLL_S", 0.001)
    monkeypatch.setattr(benchmark_app, "_MAX_POLLS_WITHOUT_APP", 3)
    phone.bin.write("am", "echo 'Starting: Intent { }'")
    phone.bin.write("pidof", "echo 4711")

    def write(log, step=1000):
        (phone.bin.folder / "log").write_text(log)
        phone.bin.write("logcat", LOGCAT.replace("STEP", str(step)))

    return write


def run(timeout_s=600.0):
    return run_app(AdbShell("P8"), FLAGS, timeout_s)


def test_the_app_gets_its_flags_as_one_string(phone, set_log):
    set_log(tflite_log())
    phone.bin.write(
        "am", 'for each; do echo "[$each]" >> {folder}/am.words; done'
    )
    run()
    words = (phone.bin.folder / "am.words").read_text().splitlines()
    app = "org.tensorflow.lite.benchmark"
    assert words == [
        *("[start]", "[-S]", "[-n]", f"[{app}/.BenchmarkModelActivity]"),
        *("[--es]", "[args]", f"[{' '.join(FLAGS)}]"),
        *("[force-stop]", f"[{app}]"),
    ]


def test_the_log_is_read_to_its_end(phone, set_log):
    log = tflite_log()
    set_log(log, step=3)
    failure, output = run()
    assert failure is None and read_log(output) == read_log(log)
    assert phone.bin.calls("logcat")[:2] == ["-c", "-d -v brief -s tflite"]


@pytest.mark.parametrize(
    "line",
    [
        "Failed to load model /data/local/tmp/m.tflite",
        "Failed to apply NNAPI delegate.",
        "Benchmarking failed.",
    ],
)
def test_a_failure_in_the_log_ends_the_wait(set_log, line):
    set_log(f"STARTING!\n{line}\n")
    failure, output = run()
    assert failure == "failed" and line in output


def test_a_size_that_is_not_known_is_no_failure(set_log):
    line = "Failed to get the input model file size.\n"
    set_log(line + tflite_log(), step=4)
    assert run()[0] is None


def test_an_app_that_crashes_ends_the_wait(phone, set_log):
    set_log("STARTING!\n")
    phone.bin.write(
        "pidof", "test $(wc -l < {folder}/polls) -lt 5 && echo 4711"
    )
    assert run()[0] == "ended without a result"
    assert phone.bin.calls("am")[-1].startswith("force-stop ")


def test_an_app_that_never_shows_up_ends_the_wait(phone, set_log):
    set_log("")
    phone.bin.write("pidof", "exit 1")
    assert run()[0] == "ended without a result"


def test_an_app_that_hangs_is_stopped(phone, set_log):
    set_log("STARTING!\n")
    assert "time was over" in run(timeout_s=0.1)[0]
    assert phone.bin.calls("am")[-1].startswith("force-stop ")


def test_an_app_that_is_not_installed_is_an_error(phone, set_log):
    set_log("")
    error = "Error: Activity class {org.tensorflow/lite} does not exist."
    phone.bin.write("am", f"echo 'Error type 3'; echo '{error}'")
    with pytest.raises(RuntimeError) as caught:
        run()
    for part in ("android_aarch64_benchmark_model.apk", "adb install", error):
        assert part in str(caught.value)


def test_a_log_that_cannot_be_emptied_is_an_error(phone, set_log):
    set_log("")
    phone.bin.write("logcat", "echo 'failed to clear the main log'; exit 1")
    with pytest.raises(RuntimeError, match="`logcat -c` exited with code 1"):
        run()
    assert phone.bin.calls("am") == []


def test_a_phone_that_is_unplugged_is_an_error(phone, set_log):
    set_log("STARTING!\n")
    phone.fail_on("*pidof*|*force-stop*", "adb: device 'P8' not found")
    with pytest.raises(RuntimeError, match="unplugged"):
        run()
