"""Large kernels as products of thin ones."""

from keras_eff.factorization.factor_plan import FactorPlan
from keras_eff.factorization.factor_plan import LayerFactors
from keras_eff.factorization.factorize import factorize
from keras_eff.factorization.factorize import plan_factors

__all__ = ["FactorPlan", "LayerFactors", "factorize", "plan_factors"]
