import os

import pytest

from keras_eff import command
from tests.latency.stand_ins import HANG
from tests.latency.stand_ins import INTERRUPT
from tests.latency.stand_ins import has_ended

pytest_plugins = ["tests.latency.stand_in_fixtures"]


def test_output_and_errors_come_as_they_were_printed(scripts):
    path = scripts.write("talk", "echo one; echo two >&2; echo three; exit 3")
    finished = command.run([str(path)], 60)
    assert finished == command.Finished(3, "one\ntwo\nthree\n")
    assert finished.failure == "exited with code 3"


def test_success_is_no_failure():
    assert command.run(["true"], 60).failure is None


def test_arguments_are_not_read_by_a_shell(scripts):
    scripts.write("note", "")
    command.run(["note", "a b", "$HOME; *"], 60)
    assert scripts.calls("note") == ["a b $HOME; *"]


def test_a_file_can_be_the_standard_input(tmp_path):
    (tmp_path / "input").write_text("from a file")
    assert command.run(["cat"], 60, tmp_path / "input").output == "from a file"


def test_the_standard_input_is_empty_by_default():
    assert command.run(["cat"], 60) == command.Finished(0, "")


def test_bytes_that_are_no_text_are_replaced(scripts):
    path = scripts.write("talk", "printf '\\377 \\303\\251\\r\\r\\n'")
    assert command.run([str(path)], 60).output == "\ufffd \xe9\n"


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (0, None),
        (None, "was stopped because its time was over"),
        (-11, "died of signal SIGSEGV"),
        (139, "died of signal SIGSEGV"),
        (1, "exited with code 1"),
        (255, "exited with code 255"),
    ],
)
def test_an_exit_code_is_put_into_words(code, failure):
    assert command.Finished(code, "").failure == failure


def test_when_the_time_is_over_its_children_are_killed_too(scripts):
    path = scripts.write("hang", HANG)
    finished = command.run([str(path)], 1.0)
    assert finished.code is None and finished.output in ("STARTING!\n", "")
    assert has_ended(scripts.child())


def test_when_the_caller_is_interrupted_its_children_are_killed(scripts):
    path = scripts.write("hang", INTERRUPT)
    with pytest.raises(KeyboardInterrupt):
        command.run([str(path)], 600)
    assert has_ended(scripts.child())


def test_what_a_command_leaves_in_the_background_does_not_hold_it_up(scripts):
    path = scripts.write("serve", 'sleep 600 & echo $! > "{folder}/child"')
    assert command.run([str(path)], 300).code == 0
    # It is still there: this does not fail.
    os.kill(scripts.child(), 9)


def test_a_command_that_does_not_exist_is_an_error():
    with pytest.raises(RuntimeError, match="`absent`: No such file"):
        command.run(["absent"], 60)


def test_a_file_that_is_no_program_is_an_error(tmp_path):
    path = tmp_path / "damaged"
    path.write_bytes(b"\x7fELF damaged")
    path.chmod(0o755)
    with pytest.raises(RuntimeError, match="damaged`: Exec format error"):
        command.run([str(path)], 60)


def test_the_end_of_an_output_is_its_last_lines():
    lines = command.end_of("\n".join(map(str, range(100)))).split()
    assert lines[-10:] == [str(number) for number in range(90, 100)]
    assert "89" not in lines
    assert "(nothing)" in command.end_of("\n")
