"""Weights that are zero and stay so."""

from keras_eff.pruning.prune import prune
from keras_eff.pruning.sparsity import Sparsity
from keras_eff.pruning.sparsity import WeightSparsity
from keras_eff.pruning.sparsity import sparsity
from keras_eff.pruning.strip_masks import strip

__all__ = ["Sparsity", "WeightSparsity", "prune", "sparsity", "strip"]
