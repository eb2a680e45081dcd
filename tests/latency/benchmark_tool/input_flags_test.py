import keras

import keras_eff
from keras_eff.latency.benchmark_tool.input_flags import input_flags
from keras_eff.tflite.flatbuffer import parse
from keras_eff.tflite.packing import pack


def test_the_tool_itself_tells_of_a_damaged_look_up(tmp_path):
    path = tmp_path / "m.tflite"
    embedding = keras.layers.Embedding(9, 3)
    model = keras.Sequential([keras.Input((4,), dtype="int32"), embedding])
    keras_eff.export.to_tflite(model, path)
    assert any(
        "=" in flag and ",0,8" in flag for flag in input_flags(path, None)
    )
    damaged = parse(path.read_bytes())
    for operator in damaged.subgraphs[0].operators:
        operator.inputs = operator.inputs[:1]
    path.write_bytes(pack(damaged))
    assert input_flags(path, None) == []
