from keras_eff.callbacks.pruning_scheduler import PruningScheduler

__all__ = ["PruningScheduler"]
