"""Models that train, and run, as an integer file will."""

from keras_eff.quantization.calibrate import calibrate
from keras_eff.quantization.coverage import Coverage
from keras_eff.quantization.coverage import coverage
from keras_eff.quantization.quantize import quantize
from keras_eff.quantization.sensitivity import quantization_sensitivity
from keras_eff.quantization.sensitivity_report import RoundingEffect
from keras_eff.quantization.sensitivity_report import Sensitivity

__all__ = [
    "Coverage",
    "RoundingEffect",
    "Sensitivity",
    "calibrate",
    "coverage",
    "quantization_sensitivity",
    "quantize",
]
