"""Choices of a search, as functions of keras-tuner's `hp`.

Each asks `hp` for one value, under a name of its own, with bounds that are
usual in the field, so that a `build` or `fit` reads as what it makes:

>>> import keras_tuner
>>> from keras_eff.tuning import spaces
>>> hp = keras_tuner.HyperParameters()
>>> images = keras.Input((32, 32, 3))
>>> x = images
>>> for stage in range(spaces.depth(hp, 3)):
...     filters = spaces.width(hp, 16 * 2**stage)
...     x = spaces.convolution(hp, f"stage_{stage}", filters, strides=2)(x)
>>> x.shape
(None, 4, 4, 64)
"""

import keras

from keras_eff.layers import DepthwiseSeparable

_WIDTHS = (0.25, 0.35, 0.5, 0.75, 1.0, 1.4)
_DEPTHS = (0.5, 1.0, 1.5, 2.0)
_KERNEL_SIZES = (3, 5, 7)
_CHANNELS = 8


def width(hp, filters: int, name="width", multipliers=_WIDTHS) -> int:
    """Returns a number of channels, times a multiplier that is searched for.

    All calls with one `name` share the multiplier, as in MobileNets: the whole
    network becomes wider or thinner.

    Args:
        hp: `keras_tuner.HyperParameters`.
        filters: Positive integer, channels at a multiplier of 1.
        name: String, name of the hyperparameter.
        multipliers: Floats > 0 to choose from; 1.0 is the default if there.

    Returns:
        Integer, a multiple of 8, at least 8.

    Reference:
        - [Howard et al., 2017](https://arxiv.org/abs/1704.04861), section 3.3
    """
    channels = filters * _multiplier(hp, name, multipliers)
    return max(_CHANNELS, round(channels / _CHANNELS) * _CHANNELS)


def depth(hp, num_blocks: int, name="depth", multipliers=_DEPTHS) -> int:
    """Returns a number of blocks, times a multiplier that is searched for.

    Args:
        hp: `keras_tuner.HyperParameters`.
        num_blocks: Positive integer, blocks at a multiplier of 1.
        name: String, name of the hyperparameter; calls with one name share it.
        multipliers: Floats > 0 to choose from; 1.0 is the default if there.

    Returns:
        Integer >= 1.

    Reference:
        - [Tan and Le, 2019](https://arxiv.org/abs/1905.11946), section 3.2
    """
    return max(1, round(num_blocks * _multiplier(hp, name, multipliers)))


def kernel_size(hp, name="kernel_size", sizes=_KERNEL_SIZES) -> int:
    """Returns the edge of a kernel, in pixels, out of `sizes`."""
    return hp.Choice(name, list(sizes), ordered=True)


def convolution(hp, name: str, filters: int, strides=1) -> keras.layers.Layer:
    """Returns a convolution block whose kind and kernel size are searched for.

    Either a `keras.layers.Conv2D` with batch normalization and ReLU, or a
    `keras_eff.layers.DepthwiseSeparable`, which has both after each step. The
    hyperparameters are `<name>_kind` and `<name>_kernel_size`.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the block and of its hyperparameters.
        filters: Positive integer, channels of the output.
        strides: Positive integer, strides of the convolution.
    """
    kind = hp.Choice(f"{name}_kind", ["convolution", "separable"])
    size = kernel_size(hp, f"{name}_kernel_size")
    if kind == "separable":
        return DepthwiseSeparable(
            filters, size, strides, padding="same", name=name
        )
    return keras.Sequential(
        [
            keras.layers.Conv2D(
                filters, size, strides, padding="same", use_bias=False
            ),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
        ],
        name=name,
    )


def sparsity(hp, name="sparsity", low=0.5, high=0.95) -> float:
    """Returns a target for `keras_eff.prune`, in steps of 0.05.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the hyperparameter.
        low: Float in [0, 1), least share of zeros.
        high: Float in [0, 1), largest share of zeros.
    """
    return hp.Float(name, low, high, step=0.05)


def num_bits(hp, layer_names, choices=(4, 8)) -> dict[str, int]:
    """Returns a width for each layer, for `keras_eff.quantize`.

    Args:
        hp: `keras_tuner.HyperParameters`.
        layer_names: Strings, names of layers with weights. Each has a
            hyperparameter `<name>_bits`.
        choices: Integers in [2, 8], widths to choose from, in bits.
    """
    return {
        name: hp.Choice(
            f"{name}_bits", list(choices), ordered=True, default=max(choices)
        )
        for name in layer_names
    }


def temperature(hp, name="temperature", low=1.0, high=16.0) -> float:
    """Returns a temperature for distillation, on a logarithmic scale.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the hyperparameter.
        low: Float > 0, the least.
        high: Float > 0, the largest.
    """
    return hp.Float(name, low, high, sampling="log")


def _multiplier(hp, name, multipliers):
    default = 1.0 if 1.0 in multipliers else None
    return hp.Choice(name, list(multipliers), ordered=True, default=default)
