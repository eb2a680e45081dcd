import pytest

from keras_eff.command_line import convert
from keras_eff.command_line import measure
from keras_eff.command_line import usage


@pytest.fixture
def describe():
    def make(command):
        flags, _ = command.parse([])
        return usage.describe(command, flags)

    return make


def test_choices_numbers_lists_and_switches_show_what_they_take(describe):
    lines = describe(measure.COMMAND).splitlines()
    for shown in (
        "  --runner=litert|benchmark_model|android|remote",
        "  --num_runs=N",
        "  --timeout_s=X",
        "  --serial=SERIAL,...",
        "  --binary=BINARY",
        "  --profile_ops",
    ):
        assert shown in lines


def test_defaults_are_shown_where_there_are_some(describe):
    text = describe(measure.COMMAND)
    assert "Runs to time. Default: 50." in text
    assert text.count("Default:") == 2


def test_choices_are_not_repeated_in_the_text(describe):
    assert "<" not in describe(convert.COMMAND)


def test_flags_of_absl_and_of_the_help_are_hidden(describe):
    text = describe(convert.COMMAND)
    assert "--verbosity" not in text and "--help" not in text
    assert "flagfile" not in text


def test_text_is_wrapped(describe):
    text = describe(measure.COMMAND).partition("\nexamples:")[0]
    assert max(map(len, text.splitlines())) <= 80


def test_an_unknown_command_is_told_all_commands():
    text = usage.unknown_command("xyz", {"convert": convert.COMMAND})
    assert text.startswith("there is no command 'xyz'. Commands: convert.")
