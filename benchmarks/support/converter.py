"""The baseline: the TFLite converter's own post-training int8 file."""

import contextlib
import io
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf


def post_training_int8(model, samples, path):
    """Writes the converter's full-integer file, with a fixed batch of one.

    Returns the path.
    """
    inputs = keras.Input(batch_shape=(1, *model.inputs[0].shape[1:]))
    fixed = keras.Model(inputs, model(inputs))
    converter = tf.lite.TFLiteConverter.from_keras_model(fixed)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x[None]] for x in samples)
    int8_only = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.target_spec.supported_ops = int8_only
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    with contextlib.redirect_stdout(io.StringIO()):
        pathlib.Path(path).write_bytes(converter.convert())
    return str(path)
