import pytest

from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.model_file import rewrite
from keras_eff.tflite.strip_metadata import strip_metadata


def test_passes_change_one_model_in_their_order(converted):
    def name_it(model):
        assert model.description
        model.description = b"named"

    seen = []
    passes = [name_it, strip_metadata, seen.append]
    file = rewrite(converted("dense").data, passes)
    assert seen == [file.model]
    assert file.model.description is None
    assert parse(file.data).description is None


def test_a_file_that_keeps_data_outside_its_tables_reaches_no_pass(
    outside_file,
):
    with pytest.raises(ValueError, match="Received: 1 data outside"):
        rewrite(outside_file, [pytest.fail])


def test_a_damaged_file_reaches_no_pass():
    with pytest.raises(ValueError, match="TFL3"):
        rewrite(b"nothing of the kind", [pytest.fail])
