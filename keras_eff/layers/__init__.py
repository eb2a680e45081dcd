from keras_eff.layers import keep_float as keep_float
from keras_eff.layers import set_mask as set_mask
from keras_eff.layers.depthwise_separable import DepthwiseSeparable
from keras_eff.layers.fake_quant import FakeQuant
from keras_eff.layers.grid import Grid
from keras_eff.layers.local_projected_attention import LocalProjectedAttention
from keras_eff.layers.projection_layer import ProjectionLayer
from keras_eff.layers.prunable_layers import PrunableConv1D
from keras_eff.layers.prunable_layers import PrunableConv2D
from keras_eff.layers.prunable_layers import PrunableDense
from keras_eff.layers.prunable_layers import PrunableDepthwiseConv2D
from keras_eff.layers.pruning_mask import PruningMask
from keras_eff.layers.qrnn import QRNN
from keras_eff.layers.token_distortion import TokenDistortion
from keras_eff.layers.transformed_weights import TransformedWeights
from keras_eff.layers.weight_fake_quant import WeightFakeQuant
from keras_eff.layers.weight_transform import WeightTransform
from keras_eff.renamed import renamed_names

__all__ = [
    "DepthwiseSeparable",
    "FakeQuant",
    "Grid",
    "LocalProjectedAttention",
    "ProjectionLayer",
    "PrunableConv1D",
    "PrunableConv2D",
    "PrunableDense",
    "PrunableDepthwiseConv2D",
    "PruningMask",
    "QRNN",
    "TokenDistortion",
    "TransformedWeights",
    "WeightFakeQuant",
    "WeightTransform",
]

# Parts of models that no user places: importing them registers them.
__getattr__ = renamed_names(
    __name__,
    KeepFloat="keras_eff.layers.keep_float.KeepFloat",
    LinearRecurrence="keras_eff.layers.linear_recurrence.LinearRecurrence",
    LocalAttentionPooling="keras_eff.layers.local_attention_pooling.LocalAttentionPooling",
    SetMask="keras_eff.layers.set_mask.SetMask",
    Zoneout="keras_eff.layers.zoneout.Zoneout",
)
