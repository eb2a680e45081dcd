from keras_eff.layers.fake_quant import FakeQuant
from keras_eff.layers.keep_float import KeepFloat
from keras_eff.layers.prunable_conv1d import PrunableConv1D
from keras_eff.layers.prunable_conv2d import PrunableConv2D
from keras_eff.layers.prunable_dense import PrunableDense
from keras_eff.layers.prunable_depthwise_conv2d import PrunableDepthwiseConv2D
from keras_eff.layers.pruning_mask import PruningMask
from keras_eff.layers.transformed_weights import TransformedWeights
from keras_eff.layers.weight_fake_quant import WeightFakeQuant
from keras_eff.layers.weight_transform import WeightTransform

__all__ = [
    "FakeQuant",
    "KeepFloat",
    "PrunableConv1D",
    "PrunableConv2D",
    "PrunableDense",
    "PrunableDepthwiseConv2D",
    "PruningMask",
    "TransformedWeights",
    "WeightFakeQuant",
    "WeightTransform",
]
