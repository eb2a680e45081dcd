"""The shapes that the inputs of a file are to have, where the model's vary."""

from keras_eff.graph.end_names import end_names
from keras_eff.graph.end_names import file_names_of_keys
from keras_eff.tflite.shape_argument import fitted_shapes
from keras_eff.tflite.shape_argument import shape_text


def fixed_shapes(
    model, input_shapes, samples=None, batch_size: int = 1
) -> list[tuple]:
    """The shape of each input of a file, without its batch."""
    wanted = [tuple(x.shape[1:]) for x in model.inputs]
    names, _ = end_names(model)
    if isinstance(input_shapes, dict):
        keys = file_names_of_keys(model)
        input_shapes = {keys.get(k, k): x for k, x in input_shapes.items()}
    if input_shapes is not None:
        whole = [(batch_size, *shape) for shape in wanted]
        given = [
            shape[1:] for shape in fitted_shapes(input_shapes, names, whole)
        ]
        if samples is not None:
            _check_samples(names, given, samples)
        return given
    if samples is not None:
        return [tuple(array.shape[1:]) for array in samples]
    for name, shape in zip(names, wanted, strict=True):
        if None in shape:
            raise ValueError(
                f"The model leaves dimensions of input {name!r} open, which a "
                "file must fix: give `samples`, whose shape it then has, or "
                f"`input_shapes`. Received: shape {shape_text(shape)} without "
                "the batch"
            )
    return wanted


def _check_samples(names, shapes, samples):
    for name, shape, array in zip(names, shapes, samples, strict=True):
        pairs = zip(shape, array.shape[1:], strict=True)
        if not all(size in (None, found) for size, found in pairs):
            raise ValueError(
                "Argument `samples` must have the shape that `input_shapes` "
                f"gives to input {name!r}. Received: samples of shape "
                f"{array.shape[1:]} for {shape}"
            )
