"""The outputs of a teacher in the structure of those of its student."""

import keras


def aligned(outputs, student_outputs, names=None, student_names=None):
    """A teacher's outputs as the student has them.

    Outputs are matched by where they are, or, where one of the two has a dict,
    by their names.
    """
    if _structure(outputs) == _structure(student_outputs):
        return outputs
    found = keras.tree.flatten(outputs)
    pair = [_names(outputs, names), _names(student_outputs, student_names)]
    are_dicts = [isinstance(x, dict) for x in (outputs, student_outputs)]
    is_by_place = len(found) == 1 or not any(are_dicts)
    if None not in pair and set(pair[0]) == set(pair[1]) and any(are_dicts):
        found = [found[pair[0].index(name)] for name in pair[1]]
        is_by_place = True
    if not is_by_place or len(found) != len(
        keras.tree.flatten(student_outputs)
    ):
        raise ValueError(
            "Teacher and student must have the same outputs: a list each, or "
            "dicts with the same keys, which are the `output_names` where one "
            "of them is a list. A function that calls the teacher may choose "
            f"and rename them. Received: {_described(outputs, pair[0])} of the "
            f"teacher, {_described(student_outputs, pair[1])} of the student"
        )
    return keras.tree.pack_sequence_as(student_outputs, found)


def _names(outputs, names):
    """The names of the outputs in their order, or None."""
    if isinstance(outputs, dict):
        names = keras.tree.flatten({key: key for key in outputs})
    is_whole = names and len(set(names)) == len(keras.tree.flatten(outputs))
    return list(names) if is_whole else None


def _structure(outputs):
    return keras.tree.map_structure(lambda tensor: None, outputs)


def _described(outputs, names):
    if not keras.tree.is_nested(outputs):
        return "one output"
    kind = type(outputs).__name__
    count = len(keras.tree.flatten(outputs))
    return f"a {kind} of {names or f'{count} outputs without names'}"
