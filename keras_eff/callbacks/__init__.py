from keras_eff.callbacks.channel_pruning import ChannelPruning
from keras_eff.callbacks.distillation_teacher import DistillationTeacher
from keras_eff.callbacks.median_stopping import MedianStopping
from keras_eff.callbacks.pruning_scheduler import PruningScheduler

__all__ = [
    "ChannelPruning",
    "DistillationTeacher",
    "MedianStopping",
    "PruningScheduler",
]
