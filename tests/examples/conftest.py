import pathlib
import sys

# An example imports the modules beside it, as Python lets a script do.
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "examples"))
