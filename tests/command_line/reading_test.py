import pytest

from keras_eff.command_line.reading import reading


def test_an_error_in_a_file_names_the_file():
    with pytest.raises(ValueError, match="^a.tflite: damaged$"):  # noqa: SIM117
        with reading("a.tflite"):
            raise ValueError("damaged")
