import pytest

from keras_eff.command_line.keras_model import load_model

NOISY = """
import os, sys
from keras_eff.command_line.keras_model import quiet_tensorflow
with quiet_tensorflow():
    os.write(2, b"of C++ ")
    print("of Python", file=sys.stderr)
    level = os.environ["TF_CPP_MIN_LOG_LEVEL"]
print("TF_CPP_MIN_LOG_LEVEL" in os.environ, level)
os.write(2, b"afterwards")
"""


def test_a_model_is_loaded(here):
    model = load_model("model.keras")
    assert model.inputs[0].name == "x"


def test_a_missing_file_is_an_error(here):
    with pytest.raises(FileNotFoundError, match="no file absent.keras"):
        load_model("absent.keras")


def test_a_file_of_another_kind_is_an_error(here, tmp_path):
    (tmp_path / "text.keras").write_text("text")
    for path in ("int8.tflite", tmp_path / "text.keras"):
        with pytest.raises(ValueError, match=f"Keras cannot load {path}, "):
            load_model(path)


def test_only_what_python_writes_reaches_standard_error(start):
    finished = start("-c", NOISY)
    assert finished.stderr == "of Python\nafterwards"
    assert finished.stdout == "False 3\n"


def test_a_level_of_the_user_shows_all(start):
    level = "import os; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '0'\n"
    finished = start("-c", level + NOISY)
    assert finished.stderr == "of C++ of Python\nafterwards"
    assert finished.stdout == "True 0\n"


def test_standard_error_comes_back_after_an_error(start):
    failing = NOISY.replace("    level =", "    raise OSError\n    level =")
    finished = start("-c", failing)
    assert finished.stderr.startswith("of Python\nTraceback")
