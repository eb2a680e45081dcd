from . import spaces as spaces
from .latency_table import LatencyTable as LatencyTable
from .measure_trial import measure_trial as measure_trial
from .mnas_reward import mnas_reward as mnas_reward
from .pareto_front import ParetoFront as ParetoFront
from .pareto_front import pareto_front as pareto_front
from .pareto_plot import plot_pareto as plot_pareto
from .read_trials import read_trials as read_trials
