import numpy as np
import pytest

from keras_eff.distillation.alignment import aligned

A, B = np.zeros((2, 1)), np.ones((2, 3))


@pytest.mark.parametrize(
    "outputs, names",
    [
        ({"b": B, "a": A}, None),
        ([B, A], ["b", "a"]),
        ((A, B), ["a", "b"]),
    ],
    ids=["dict", "list", "tuple"],
)
def test_a_dict_is_matched_by_name(outputs, names):
    found = aligned(outputs, {"a": A, "b": B}, names, ["first", "second"])
    assert found["a"] is A and found["b"] is B


def test_a_list_of_the_student_has_the_names_of_its_layers():
    found = aligned({"a": A, "b": B}, [B, A], None, ["b", "a"])
    assert found[0] is B and found[1] is A


def test_lists_are_matched_by_place_and_a_single_output_is_itself():
    assert aligned((A, B), [B, A]) == [A, B]
    assert aligned({"any": A}, B) is A
    assert aligned([A], B) is A
    assert aligned(A, {"any": B}) == {"any": A}


@pytest.mark.parametrize(
    "outputs, names",
    [([A, B], None), ([A, B], ["a", "c"]), ({"a": A, "c": B}, None), (A, None)],
    ids=["no_names", "other_names", "other_keys", "too_few"],
)
def test_outputs_that_cannot_be_told_apart_are_refused(outputs, names):
    with pytest.raises(ValueError, match="must have the same outputs.*student"):
        aligned(outputs, {"a": A, "b": B}, names)
