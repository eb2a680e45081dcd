import re

import keras
import tensorflow as tf

from keras_eff.export.changing_state import with_stored_draws
from keras_eff.export.quiet import quiet
from keras_eff.graph.walk import calls
from keras_eff.graph.walk import pack_inputs
from keras_eff.lowering.traced_graph import operator_types

_LINES = 12
_MISSING = re.compile(r"'?tf\.(\w+)'? op is neither a custom op nor a flex op")


def convert(
    model,
    data_type: str,
    batch_size: int,
    io_dtype: str,
    sparse: bool = False,
    shapes: list[tuple] | None = None,
) -> bytes:
    """The .tflite file that TensorFlow's converter makes of a model.

    Variables are frozen and the batch is fixed. Nothing that the converter
    prints is seen, unless it fails.

    `data_type`: "float32", "float16", "dynamic" or "int8". `io_dtype`: type of
    the inputs and outputs of an "int8" file. `sparse`: boolean, whether weights
    with 30 % of zeros or more are stored without them, be it right or wrong:
    see `check_sparsity`. `shapes`: shapes of the inputs without the batch, by
    default the model's.
    """
    with quiet() as printed:
        try:
            run = as_function(model, batch_size, shapes)
            function = run.get_concrete_function()
            # Without a second argument: with one, variables stay unfrozen.
            converter = tf.lite.TFLiteConverter.from_concrete_functions(
                [function]
            )
            _set_options(converter, data_type, io_dtype)
            if sparse:
                sparsity = tf.lite.Optimize.EXPERIMENTAL_SPARSITY
                converter.optimizations = [*converter.optimizations, sparsity]
            return converter.convert()
        except Exception as error:
            said = f"{error}\n{printed()}".strip().splitlines()
            cause = _missing_operators(model, "\n".join(said))
            raise RuntimeError(
                f"TensorFlow's converter failed on model {model.name!r}:\n"
                + (cause or "\n".join(said[:_LINES]))
            ) from error


def as_function(model, batch_size: int, shapes: list[tuple] | None = None):
    """A model as a TensorFlow function of a list of inputs, the batch fixed.

    What the model changes of its state, such as that of a seed generator, is
    dropped: every call starts from the state that it has now, and gets the
    same random numbers.
    """
    shapes = shapes or [x.shape[1:] for x in model.inputs]
    specs = [
        tf.TensorSpec((batch_size, *shape), x.dtype, name=x.name)
        for x, shape in zip(model.inputs, shapes, strict=True)
    ]

    @tf.function(input_signature=specs, autograph=False)
    def run(*arrays):
        with keras.StatelessScope():
            outputs = model(pack_inputs(model, list(arrays)), training=False)
        return keras.tree.flatten(outputs)

    return with_stored_draws(run, specs)


def _set_options(converter, data_type, io_dtype):
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if data_type != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if data_type == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if data_type == "int8":
        io_type = tf.as_dtype(io_dtype)
        converter.inference_input_type = io_type
        converter.inference_output_type = io_type


def _missing_operators(model, said):
    """Names the operations that TFLite has no operator for, and a way out.

    Returns: A sentence; empty if nothing was missing, or nobody knows for what.
    """
    missing = set(_MISSING.findall(said))
    if not missing:
        return ""
    names = [
        f"{node.operation.name!r} ({type(node.operation).__name__})"
        for node, _ in calls(model)
        if missing & operator_types(node.input_tensors, node.outputs)
    ]
    if not names:
        return ""
    return (
        f"TFLite has no operator for {', '.join(dict.fromkeys(names))}, which "
        f"takes TensorFlow's {', '.join(sorted(missing))}. Write it with other "
        "operations, or end the model before it and compute it outside of the "
        "file"
    )
