from keras_eff.layers.depthwise_separable import DepthwiseSeparable
from keras_eff.layers.fake_quant import FakeQuant
from keras_eff.layers.grid import Grid
from keras_eff.layers.keep_float import KeepFloat
from keras_eff.layers.linear_recurrence import LinearRecurrence
from keras_eff.layers.local_attention_pooling import LocalAttentionPooling
from keras_eff.layers.local_projected_attention import LocalProjectedAttention
from keras_eff.layers.projection_layer import ProjectionLayer
from keras_eff.layers.prunable_layers import PrunableConv1D
from keras_eff.layers.prunable_layers import PrunableConv2D
from keras_eff.layers.prunable_layers import PrunableDense
from keras_eff.layers.prunable_layers import PrunableDepthwiseConv2D
from keras_eff.layers.pruning_mask import PruningMask
from keras_eff.layers.qrnn import QRNN
from keras_eff.layers.set_mask import SetMask
from keras_eff.layers.token_distortion import TokenDistortion
from keras_eff.layers.transformed_weights import TransformedWeights
from keras_eff.layers.weight_fake_quant import WeightFakeQuant
from keras_eff.layers.weight_transform import WeightTransform
from keras_eff.layers.zoneout import Zoneout

__all__ = [
    "DepthwiseSeparable",
    "FakeQuant",
    "Grid",
    "KeepFloat",
    "LinearRecurrence",
    "LocalAttentionPooling",
    "LocalProjectedAttention",
    "ProjectionLayer",
    "PrunableConv1D",
    "PrunableConv2D",
    "PrunableDense",
    "PrunableDepthwiseConv2D",
    "PruningMask",
    "QRNN",
    "SetMask",
    "TokenDistortion",
    "TransformedWeights",
    "WeightFakeQuant",
    "WeightTransform",
    "Zoneout",
]
