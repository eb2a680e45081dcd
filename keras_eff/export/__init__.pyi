from .execution import Execution as Execution
from .execution import execute as execute
from .file_report import FileReport as FileReport
from .file_report import TensorInfo as TensorInfo
from .inspection import inspect as inspect
from .report import Report as Report
from .to_tflite import to_tflite as to_tflite
