"""Makes Keras 3 models small and fast, and proves it on the exported file."""

from keras_eff import callbacks
from keras_eff import distillation
from keras_eff import export
from keras_eff import latency
from keras_eff import layers
from keras_eff import schedules
from keras_eff import text
from keras_eff.transforms import calibrate
from keras_eff.transforms import coverage
from keras_eff.transforms import prune
from keras_eff.transforms import quantize
from keras_eff.transforms import sparsity

__all__ = [
    "calibrate",
    "callbacks",
    "coverage",
    "distillation",
    "export",
    "latency",
    "layers",
    "prune",
    "quantize",
    "schedules",
    "sparsity",
    "text",
]

__version__ = "0.1.0"
