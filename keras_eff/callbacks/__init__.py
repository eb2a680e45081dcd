from keras_eff.callbacks.distillation_teacher import DistillationTeacher
from keras_eff.callbacks.pruning_scheduler import PruningScheduler

__all__ = ["DistillationTeacher", "PruningScheduler"]
