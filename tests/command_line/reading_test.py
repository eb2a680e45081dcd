import pytest
from absl import flags as absl_flags

from keras_eff.command_line.command import Command
from keras_eff.command_line.command import given
from keras_eff.command_line.command import reading


def define_flags(flags):
    absl_flags.DEFINE_integer("num_runs", 50, "Runs.", flag_values=flags)
    absl_flags.DEFINE_boolean("sparse", False, "Zeros.", flag_values=flags)


@pytest.fixture
def command():
    return Command(
        name="try",
        operands=("A", "B..."),
        summary="Tries.",
        details="",
        examples=("keras-eff try a b",),
        define_flags=define_flags,
        run=print,
    )


@pytest.mark.parametrize(
    "line",
    ["--num_runs=7 a b", "a b --num_runs=7", "a --num_runs 7 b"],
)
def test_flags_stand_before_between_or_after_the_files(command, line):
    flags, operands = command.parse(line.split())
    assert (flags.num_runs, operands) == (7, ["a", "b"])


def test_after_two_dashes_all_are_files(command):
    assert command.parse(["--", "-a", "b"])[1] == ["-a", "b"]


def test_an_unknown_flag_is_an_error_that_names_the_nearest(command):
    with pytest.raises(ValueError, match="no flag --num_run.*--num_runs.*help"):
        command.parse(["a", "b", "--num_run=7"])


def test_a_wrong_value_of_a_flag_is_an_error(command):
    with pytest.raises(ValueError, match="^try: flag --num_runs=x.*--help`$"):
        command.parse(["a", "b", "--num_runs=x"])


@pytest.mark.parametrize("operands", [[], ["a"]])
def test_too_few_files_are_an_error(command, operands):
    with pytest.raises(ValueError, match="^try: it takes A B.... Received: "):
        command.check_count(operands)


def test_the_last_operand_may_be_open(command):
    command.check_count(["a", "b", "c"])


def test_too_many_files_are_an_error(command):
    closed = Command(**{**vars(command), "operands": ("A", "B")})
    with pytest.raises(ValueError, match="takes A B. Received: a b c"):
        closed.check_count(["a", "b", "c"])


def test_only_flags_of_the_user_are_given(command):
    flags, _ = command.parse(["--nosparse"])
    assert given(flags, ["num_runs", "sparse"]) == {"sparse": False}


def test_parsing_leaves_the_flags_of_the_process_alone(command):
    command.parse(["--num_runs=7"])
    assert "num_runs" not in absl_flags.FLAGS


def test_an_error_in_a_file_names_the_file():
    with pytest.raises(ValueError, match="^a.tflite: damaged$"):  # noqa: SIM117
        with reading("a.tflite"):
            raise ValueError("damaged")
