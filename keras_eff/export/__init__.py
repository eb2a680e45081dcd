from keras_eff.export.execution import Execution
from keras_eff.export.execution import execute
from keras_eff.export.inspection import inspect
from keras_eff.export.report import Report
from keras_eff.export.to_tflite import to_tflite

__all__ = ["Execution", "Report", "execute", "inspect", "to_tflite"]
