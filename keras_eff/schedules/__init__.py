from keras_eff.schedules.constant_sparsity import ConstantSparsity
from keras_eff.schedules.iterative_sparsity import IterativeSparsity
from keras_eff.schedules.polynomial_decay import PolynomialDecay
from keras_eff.schedules.sparsity_schedule import SparsitySchedule

__all__ = [
    "ConstantSparsity",
    "IterativeSparsity",
    "PolynomialDecay",
    "SparsitySchedule",
]
