import gc

import keras

from keras_eff.graph.tensor_notes import TensorNotes


def test_tensors_are_told_apart_by_identity():
    notes, first, second = TensorNotes(), keras.Input((2,)), keras.Input((2,))
    notes[first] = "first"
    assert notes[first] == "first"
    assert first in notes and second not in notes
    assert (notes.get(first), notes.get(second, 3)) == ("first", 3)


def test_a_tensor_lives_as_long_as_what_is_known_of_it():
    notes = TensorNotes()
    for number in range(50):
        notes[keras.KerasTensor((number,))] = number
    gc.collect()
    made = [keras.KerasTensor((1,)) for _ in range(50)]
    assert not any(tensor in notes for tensor in made)
