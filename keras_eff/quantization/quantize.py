from collections.abc import Callable

import keras
from absl import logging

from keras_eff.arguments import read_choice
from keras_eff.arguments import read_integer
from keras_eff.arguments import read_number
from keras_eff.graph.end_names import keep_end_names
from keras_eff.graph.register_layer import how_to_register
from keras_eff.graph.selection import kept_float
from keras_eff.graph.selection import selector
from keras_eff.graph.walk import check_graph
from keras_eff.layers.fake_quant import read_range
from keras_eff.quantization.expansion import expander
from keras_eff.quantization.fake_quant_placement import Placement
from keras_eff.quantization.rules import RULES
from keras_eff.quantization.widths import weight_widths

_IO_DTYPES = (None, "int8", "uint8", "float32")


def quantize(
    model,
    num_bits=8,
    *,
    activation_bits=8,
    momentum=0.99,
    input_range=None,
    skip=(),
    io_dtype=None,
) -> keras.Model:
    """Returns a clone of a model that trains for an integer file.

    The clone rounds its weights and activations to the integers that the file
    will hold, so that `compile` and `fit` teach it to live with them
    (quantization-aware training), and `keras_eff.export.to_tflite` writes just
    what it computes. Without training, `keras_eff.calibrate` sets the ranges
    from samples (post-training quantization).

    Layers keep their names and weights; those with a weight are wrapped in
    `keras_eff.layers.TransformedWeights`, and a `keras_eff.layers.FakeQuant`
    stands wherever the file rounds. `SeparableConv`, `TimeDistributed` and
    unmasked `MultiHeadAttention` are taken apart into layers with an int8
    kernel; activations that no kernel fuses become layers of their own. A layer
    without an int8 kernel stays float, in the file too, and a warning names it.

    Args:
        model: Built `keras.Sequential` or Functional model, nested or with
            shared layers. It is left as it was.
        num_bits: Integer in [2, 8], width of the weights, in bits. One scale
            per output channel, symmetric. Or a dict from names or classes of
            layers to such integers, where a name counts before a class and
            that of a nested model for all in it; or a function of a layer
            that returns one, or None. 8 for the others. What becomes of a
            layer that is taken apart has the width of that layer.
        activation_bits: Integer in [2, 16], width of the activations, in bits.
            Files are written for 8.
        momentum: Float in [0, 1), see `keras_eff.layers.FakeQuant`.
        input_range: Optional pair of floats `(min, max)`: the range of the
            model's float inputs, where it is known, such as `(0, 255)`. By
            default it follows the data.
        skip: What stays float: the name of a layer or of a bare operation, a
            layer class, a predicate on a layer, or a list of them. Layers
            inside nested models count too. Give it again to quantize the
            clone again. What reads a float input first then reads it as it
            is: that input of the file is float32.
        io_dtype: Type of the float inputs and the outputs of the file to
            come: None or "int8", "uint8", or "float32". A file of integers
            has one range for all features of an input. With "float32", a
            first layer that scales features apart, as `Normalization` and
            `BatchNormalization` do, or that has no int8 kernel reads the
            input before it is rounded. Give it to
            `keras_eff.export.to_tflite` too.

    Returns:
        A Functional `keras.Model`, not compiled. It has the methods of a class
        of yours, such as `train_step`, if that has the constructor of
        `keras.Model`. What `model` has of `FakeQuant` layers and of weight
        transforms is kept; a weight has the last `num_bits` asked for, but
        where a step of yours that tells its grid comes last: that stays.

    Raises:
        TypeError: If `model` is not a Keras 3 model, or a key of `num_bits`
            neither a name nor a class.
        ValueError: If `model` is a subclassed model or is not built, an
            argument is out of range, or `skip` or `num_bits` names no layer
            of the model.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((8,)), keras.layers.Dense(4, activation="relu")]
    ... )
    >>> quantized = keras_eff.quantize(model, num_bits=4)
    >>> [layer.name for layer in quantized.layers][1:]  # doctest: +ELLIPSIS
    ['input_layer..._fake_quant', 'dense...', 'dense..._fake_quant']

    Reference:
        - [Jacob et al., 2018](https://arxiv.org/abs/1712.05877), section 3.
          Batch normalization is not folded in training: the rounding of a
          weight with one scale per channel commutes with the folding.
    """
    check_graph(model, "keras_eff.quantize")
    rounding = {
        "num_bits": read_integer("activation_bits", activation_bits, 2, 16),
        "momentum": read_number("momentum", momentum, "[0, 1)"),
    }
    input_range = read_range("input_range", input_range)
    io_dtype = read_choice("io_dtype", io_dtype, _IO_DTYPES)
    quantized, placement, _ = place(
        model, skip, num_bits, rounding, input_range, io_dtype
    )
    keep_end_names(model, quantized)
    if placement.floats:
        floats = [f"{n} ({why})" for n, why in placement.floats.items()]
        logging.warning(
            "quantize: these stay float: %s%s",
            ", ".join(floats),
            how_to_register(placement.unknown),
        )
    return quantized


def place(
    model, skip, num_bits=8, rounding=None, input_range=None, io_dtype=None
) -> tuple[keras.Model, Placement, Callable]:
    """The quantized model, and what tells how it came about.

    That is the placement, and a function from a layer of the quantized model
    to the layer of `model` that it is, or is a part of.
    """
    widths = weight_widths(model, num_bits)
    is_chosen, kept = selector(model, skip), kept_float(model)
    rewriter = expander(lambda op: is_chosen(op) or op in kept)
    expanded = rewriter.rewrite(model)
    placement = Placement(
        RULES,
        rewriter.kept.__contains__,
        lambda layer: widths[rewriter.origins[layer]],
        rounding or {},
        input_range,
        io_dtype == "float32",
    )
    quantized = placement.rewrite(expanded)

    def whole_of(layer):
        return rewriter.origins[placement.origins[layer]]

    return quantized, placement, whole_of
