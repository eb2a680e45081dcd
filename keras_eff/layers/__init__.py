from keras_eff.layers.fake_quant import FakeQuant
from keras_eff.layers.keep_float import KeepFloat
from keras_eff.layers.transformed_weights import TransformedWeights
from keras_eff.layers.weight_fake_quant import WeightFakeQuant
from keras_eff.layers.weight_transform import WeightTransform

__all__ = [
    "FakeQuant",
    "KeepFloat",
    "TransformedWeights",
    "WeightFakeQuant",
    "WeightTransform",
]
