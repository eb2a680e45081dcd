from keras_eff.transforms.calibrate import calibrate
from keras_eff.transforms.coverage import Coverage
from keras_eff.transforms.coverage import coverage
from keras_eff.transforms.factor_plan import FactorPlan
from keras_eff.transforms.factor_plan import LayerFactors
from keras_eff.transforms.factorize import factorize
from keras_eff.transforms.factorize import plan_factors
from keras_eff.transforms.prune import prune
from keras_eff.transforms.quantize import quantize
from keras_eff.transforms.sensitivity import quantization_sensitivity
from keras_eff.transforms.sensitivity_report import RoundingEffect
from keras_eff.transforms.sensitivity_report import Sensitivity
from keras_eff.transforms.sparsity import Sparsity
from keras_eff.transforms.sparsity import sparsity
from keras_eff.transforms.strip_masks import strip

__all__ = [
    "Coverage",
    "FactorPlan",
    "LayerFactors",
    "RoundingEffect",
    "Sensitivity",
    "Sparsity",
    "calibrate",
    "coverage",
    "factorize",
    "plan_factors",
    "prune",
    "quantization_sensitivity",
    "quantize",
    "sparsity",
    "strip",
]
