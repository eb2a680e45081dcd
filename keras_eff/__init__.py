"""Makes Keras 3 models small and fast, and proves it on the exported file."""

from keras_eff import export
from keras_eff import latency
from keras_eff import layers
from keras_eff.transforms import calibrate
from keras_eff.transforms import coverage
from keras_eff.transforms import quantize

__all__ = [
    "calibrate",
    "coverage",
    "export",
    "latency",
    "layers",
    "quantize",
]

__version__ = "0.1.0"
