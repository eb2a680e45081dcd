from keras_eff.export.inspection import inspect
from keras_eff.export.report import Report
from keras_eff.export.to_tflite import to_tflite

__all__ = ["Report", "inspect", "to_tflite"]
