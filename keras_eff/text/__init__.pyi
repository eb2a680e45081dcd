from .code_points import Characters as Characters
from .code_points import Words as Words
from .dataset import in_dataset as in_dataset
