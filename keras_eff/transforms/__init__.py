from keras_eff.transforms.calibrate import calibrate
from keras_eff.transforms.coverage import Coverage
from keras_eff.transforms.coverage import coverage
from keras_eff.transforms.prune import prune
from keras_eff.transforms.quantize import quantize
from keras_eff.transforms.sensitivity import quantization_sensitivity
from keras_eff.transforms.sensitivity_report import RoundingEffect
from keras_eff.transforms.sensitivity_report import Sensitivity
from keras_eff.transforms.sparsity import Sparsity
from keras_eff.transforms.sparsity import sparsity

__all__ = [
    "Coverage",
    "RoundingEffect",
    "Sensitivity",
    "Sparsity",
    "calibrate",
    "coverage",
    "prune",
    "quantization_sensitivity",
    "quantize",
    "sparsity",
]
