import keras
import numpy as np
import pytest

from keras_eff.distillation.losses.layer_loss import LayerLoss
from keras_eff.distillation.losses.layer_loss import check_shapes


def test_it_is_a_loss_of_keras():
    assert issubclass(LayerLoss, keras.distillation.DistillationLoss)


def test_a_subclass_computes_the_loss():
    with pytest.raises(NotImplementedError):
        LayerLoss().compute_loss(np.ones((1, 2)), np.ones((1, 2)))


def test_it_has_its_arguments_as_config():
    loss = LayerLoss.from_config(LayerLoss("a").get_config())
    assert (loss.teacher_layer_name, loss.student_layer_name) == ("a", None)


def test_shapes_fit_where_one_is_not_known():
    check_shapes(LayerLoss(), (None, 4), (2, 4), "maps")
    check_shapes(LayerLoss(), (3, None), (None, 4), "maps")


@pytest.mark.parametrize("shape", [(2, 5), (2,), (2, 4, 1)])
def test_other_shapes_are_refused_by_name(shape):
    message = (
        r"`LayerLoss` needs maps of equal shape .* Received: \(2, 4\) of "
        r"layer 'a' and \(.*\) of layer 'b'"
    )
    with pytest.raises(ValueError, match=message):
        check_shapes(LayerLoss("a", "b"), (2, 4), shape, "maps")
