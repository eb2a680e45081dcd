import keras
import numpy as np
import pytest

from keras_eff import renamed
from keras_eff.callbacks import ChannelPruning
from keras_eff.callbacks import PruningScheduler
from keras_eff.schedules import ConstantSparsity

HALF = ConstantSparsity(0.5)
DATA = np.ones((2, 3)), np.ones((2, 1))


@pytest.mark.parametrize(
    ("kind", "old", "given", "new", "expected"),
    [
        (PruningScheduler, "frequency", 7, "interval", 7),
        (PruningScheduler, "data", DATA, "dataset", DATA),
        (PruningScheduler, "scope", "layer", "distribution", "uniform"),
        (PruningScheduler, "scope", "erk", "distribution", "erk"),
        (ChannelPruning, "frequency", 7, "interval", 7),
    ],
    ids=["interval", "dataset", "uniform", "erk", "interval of channels"],
)
def test_an_old_argument_warns_and_does_what_the_new_one_does(
    kind, old, given, new, expected
):
    text = f"{new}='uniform'" if given == "layer" else new
    message = rf"`{old}` is `{text}` now.*keras_eff 0\.3"
    with pytest.warns(DeprecationWarning, match=message) as told:
        callback = kind(HALF, **{old: given})
    assert getattr(callback, new) is expected
    assert told[0].filename == __file__


def test_an_old_name_beside_the_new_one_is_refused():
    with pytest.raises(TypeError, match="`frequency` is the old name of `int"):
        PruningScheduler(HALF, frequency=2, interval=3)


def test_an_attribute_has_its_old_name_too():
    with pytest.warns(DeprecationWarning, match="`frequency` is `interval`"):
        assert ChannelPruning(HALF, 5).frequency == 5
    with pytest.warns(DeprecationWarning, match="`scope` is `distribution`"):
        assert PruningScheduler(HALF, distribution="erk").scope == "erk"


def test_a_module_has_its_old_names_and_no_others():
    find = renamed.renamed_names("here", Thick="keras.layers.Dense")
    with pytest.warns(DeprecationWarning, match="`here.Thick` is `keras.lay"):
        assert find("Thick") is keras.layers.Dense
    with pytest.raises(AttributeError, match="'here' has no attribute 'Thin'"):
        find("Thin")
