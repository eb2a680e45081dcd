from keras_eff.distillation.losses.attention_transfer import AttentionTransfer
from keras_eff.distillation.losses.connected_features import ConnectedFeatures
from keras_eff.distillation.losses.hidden_cosine import HiddenCosine
from keras_eff.distillation.losses.sample_relations import SampleRelations
from keras_eff.distillation.stage import Stage
from keras_eff.distillation.stored_outputs import StoredOutputs

__all__ = [
    "AttentionTransfer",
    "ConnectedFeatures",
    "HiddenCosine",
    "SampleRelations",
    "Stage",
    "StoredOutputs",
]
