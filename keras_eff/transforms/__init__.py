from keras_eff.transforms.calibrate import calibrate
from keras_eff.transforms.coverage import Coverage
from keras_eff.transforms.coverage import coverage
from keras_eff.transforms.prune import prune
from keras_eff.transforms.quantize import quantize
from keras_eff.transforms.sparsity import Sparsity
from keras_eff.transforms.sparsity import sparsity

__all__ = [
    "Coverage",
    "Sparsity",
    "calibrate",
    "coverage",
    "prune",
    "quantize",
    "sparsity",
]
