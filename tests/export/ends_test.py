import numpy as np

from keras_eff.export.ends import name_ends
from keras_eff.export.execution import execute
from keras_eff.export.inspection import inspect


def test_ends_have_the_names_and_compute_the_same(converted, tmp_path):
    file = converted("conv_int8")
    before, after = tmp_path / "a.tflite", tmp_path / "b.tflite"
    before.write_bytes(file.data)
    after.write_bytes(name_ends(file.data, ["image"], ["classes"]))
    contents = inspect(after)
    assert contents.inputs[0].name == "image"
    assert contents.outputs[0].name == "classes"
    outputs = [execute(path, file.samples).delegate for path in (before, after)]
    np.testing.assert_array_equal(*outputs)
