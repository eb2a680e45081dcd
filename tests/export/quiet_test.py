import logging
import os
import subprocess
import sys
import threading
import warnings

import pytest

from keras_eff.export.quiet import quiet

LOGGED = "W0000 00:00:1.5 {} source.cc:36] Ignored output_format.\n"


def write(text):
    os.write(2, text.encode())


def converters_line():
    return LOGGED.format(threading.get_native_id())


def test_what_native_code_logs_is_kept_and_can_be_read(capfd):
    with quiet() as printed:
        write(converters_line())
        assert printed() == converters_line()
    assert capfd.readouterr() == ("", "")


def test_what_this_thread_logs_is_kept(caplog):
    with quiet():
        logging.getLogger("absl").warning("of the converter")
    logging.getLogger("absl").warning("of the user")
    assert caplog.messages == ["of the user"]


def test_standard_output_stays_as_it_is(capfd):
    with quiet():
        os.write(1, b"at once\n")
        assert capfd.readouterr().out == "at once\n"


def test_nothing_of_other_threads_is_lost(capfd, caplog):
    others = LOGGED.format(1)

    def work():
        print("printed", file=sys.stderr)
        write(others)
        logging.getLogger("absl").warning("logged")
        with pytest.warns(UserWarning, match="warned"):
            warnings.warn("warned", UserWarning, stacklevel=1)

    with quiet():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        write(converters_line())
    assert capfd.readouterr().err == "printed\n" + others
    assert caplog.messages == ["logged"]


def test_threads_that_overlap_restore_the_stream_once(capfd):
    before = os.fstat(2)
    is_in, may_leave = threading.Event(), threading.Event()

    def work():
        with quiet():
            is_in.set()
            may_leave.wait(60)
            write(converters_line())

    thread = threading.Thread(target=work)
    with quiet():
        thread.start()
        is_in.wait(60)
    # The thread that came last is still in its block.
    write(converters_line())
    may_leave.set()
    thread.join()
    assert os.fstat(2).st_ino == before.st_ino
    write("seen\n")
    assert capfd.readouterr().err == "seen\n"


def test_a_forked_process_has_its_own_standard_error(capfd):
    with quiet():
        process = os.fork()
        if not process:
            write("of the child\n")
            os._exit(0)
        os.waitpid(process, 0)
        assert capfd.readouterr().err == "of the child\n"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_process_needs_no_standard_streams(closed, tmp_path):
    script = (
        "import os, sys\n"
        "from keras_eff.export.quiet import quiet\n"
        "def is_open(number):\n"
        "    return os.path.exists(f'/proc/self/fd/{number}')\n"
        "before = [is_open(n) for n in range(3)]\n"
        "with quiet() as printed:\n"
        "    os.write(2, b'native')\n"
        "    said = printed()\n"
        "after = [is_open(n) for n in range(3)]\n"
        "with open(sys.argv[1], 'w') as file:\n"
        "    file.write(f'{said} {before == after} {after[2]}')\n"
    )
    (tmp_path / "script.py").write_text(script)
    line = f'"$0" "$1" "$2" {closed}'
    arguments = [sys.executable, tmp_path / "script.py", tmp_path / "said"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(["sh", "-c", line, *arguments], env=environment, timeout=60)
    assert (tmp_path / "said").read_text() == "native True False"


def test_a_stream_need_not_be_one_of_the_system(monkeypatch):
    monkeypatch.setattr(sys, "stdout", object())
    with quiet() as printed:
        write("native")
        assert printed() == "native"


def test_warnings_of_the_converter_are_kept_and_others_seen():
    said = "Statistics for quantized inputs were expected, but not specified"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet():
            warnings.warn(said, UserWarning, stacklevel=1)
            warnings.warn("of a layer", UserWarning, stacklevel=1)
    assert [str(each.message) for each in caught] == ["of a layer"]
