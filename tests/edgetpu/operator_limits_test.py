"""Each limit is tested on whole files in lint_edgetpu_test.py."""

from keras_eff.edgetpu.file_operators import Operator
from keras_eff.edgetpu.operator_limits import LIMITS


def test_an_operator_without_tensors_is_within_all_limits():
    values = {"constant_inputs": [0, 1], "max_input_elements": 1}
    empty = Operator(0, "MEAN", 1, 40, (), (), None)
    left_out = Operator(0, "MEAN", 1, 40, (None, None), (None,), None)
    for operator in (empty, left_out):
        reasons = {
            name: limit(operator, values.get(name, 4))
            for name, limit in LIMITS.items()
        }
        assert reasons.pop("axis_is_not_batch") is not None
        assert not any(reasons.values())
