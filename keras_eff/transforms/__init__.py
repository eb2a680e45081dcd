from keras_eff.transforms.calibrate import calibrate
from keras_eff.transforms.coverage import Coverage
from keras_eff.transforms.coverage import coverage
from keras_eff.transforms.quantize import quantize

__all__ = ["Coverage", "calibrate", "coverage", "quantize"]
