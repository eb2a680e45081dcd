"""Models that train, and run, as an integer file will."""

from keras_eff.quantization.calibrate import calibrate
from keras_eff.quantization.coverage import Coverage
from keras_eff.quantization.coverage import coverage
from keras_eff.quantization.quantize import quantize
from keras_eff.quantization.sensitivity import quantization_sensitivity
from keras_eff.quantization.sensitivity_report import QuantizationSensitivity
from keras_eff.quantization.sensitivity_report import RoundingEffect
from keras_eff.renamed import renamed_names

__all__ = [
    "Coverage",
    "RoundingEffect",
    "QuantizationSensitivity",
    "calibrate",
    "coverage",
    "quantization_sensitivity",
    "quantize",
]

__getattr__ = renamed_names(
    __name__, Sensitivity="keras_eff.QuantizationSensitivity"
)
