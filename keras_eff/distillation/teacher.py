import keras
from keras import ops

from keras_eff.distillation import StoredOutputs
from keras_eff.distillation.alignment import aligned
from keras_eff.distillation.logits import final_activations
from keras_eff.distillation.logits import to_logits
from keras_eff.distillation.teacher_function import call_function
from keras_eff.distillation.teacher_model import call_model
from keras_eff.graph.walk import is_graph
from keras_eff.graph.walk import pack_inputs
from keras_eff.graph.walk import pack_outputs


class Teacher:
    """What teaches: a model, several, a function, or stored outputs."""

    def __init__(self, source, layer_names, from_logits):
        self.source = source
        self.from_logits = from_logits
        self._parts = [_Part(s, layer_names) for s in _sources(source)]

    @property
    def is_stored(self):
        """Whether it is given with `y`, and not run."""
        return any(isinstance(s, StoredOutputs) for s in _sources(self.source))

    def __call__(self, inputs):
        """Without gradients: the outputs of each part, and those of layers."""
        found = [part(inputs) for part in self._parts]
        outputs = [outputs for outputs, _ in found]
        return keras.tree.map_structure(
            ops.stop_gradient, (outputs, found[0][1])
        )

    def aligned(self, outputs, student_outputs, names):
        """The outputs of each part as the student has them."""
        return [
            part.aligned(found, student_outputs, names)
            for part, found in zip(self._parts, outputs, strict=True)
        ]

    def activations(self, student_outputs, names):
        """Of each part, `logits.final_activations` in the student's order."""
        return [p.activations_like(student_outputs, names) for p in self._parts]

    def logits(self, members, activations):
        """The logits of each of its outputs; of several parts, their mean."""
        logits = [
            each_logits(outputs, kinds, self.from_logits)
            for outputs, kinds in zip(members, activations, strict=True)
        ]
        if len(logits) == 1:
            return logits[0]
        return keras.tree.map_structure(_mean_logits, *logits)


def mean_outputs(members):
    """The outputs of several teachers as they are; their mean."""
    if len(members) == 1:
        return members[0]
    return keras.tree.map_structure(_mean, *members)


class _Part:
    def __init__(self, source, layer_names):
        self._source = self._model = source
        self._activations = final_activations(source)
        self._names = layer_names
        if layer_names:
            self._source = keras.Model(
                pack_inputs(source, source.inputs),
                {
                    "outputs": pack_outputs(source, source.outputs),
                    **{
                        f"layer_{i}": source.get_layer(name).output
                        for i, name in enumerate(layer_names)
                    },
                },
            )

    def __call__(self, inputs):
        if isinstance(self._source, StoredOutputs):
            return inputs, {}
        if not isinstance(self._source, keras.layers.Layer):
            return call_function(self._source, inputs), {}
        outputs = call_model(self._source, inputs)
        if not self._names:
            return outputs, {}
        return outputs["outputs"], {
            name: outputs[f"layer_{i}"] for i, name in enumerate(self._names)
        }

    def aligned(self, outputs, student_outputs, names):
        own = getattr(self._model, "output_names", None)
        return aligned(outputs, student_outputs, own, names)

    def activations_like(self, student_outputs, names):
        if self._activations is None:
            return None
        found = pack_outputs(self._model, self._activations)
        return keras.tree.flatten(self.aligned(found, student_outputs, names))


def each_logits(outputs, activations, from_logits):
    """The logits of each of the outputs of a model, in their structure."""
    leaves = keras.tree.flatten(outputs)
    kinds = activations or [None] * len(leaves)
    logits = [
        to_logits(leaf, kind, from_logits)
        for leaf, kind in zip(leaves, kinds, strict=True)
    ]
    return keras.tree.pack_sequence_as(outputs, logits)


def check_teacher(source, layer_names) -> None:
    """Raises if something cannot teach, or not with these layers."""
    for part in _sources(source) or [source]:
        kind = type(part)
        is_known = isinstance(part, StoredOutputs) or callable(part)
        if not is_known or (isinstance(part, keras.Model) and not part.built):
            raise ValueError(
                "Argument `teacher` must be a built `keras.Model`, a list of "
                "them, a function or `keras_eff.distillation.StoredOutputs`. "
                f"Received: {kind.__module__}.{kind.__name__}"
            )
        if kind.__module__.startswith("tf_keras"):
            raise TypeError(
                "Argument `teacher` must be of Keras 3: load it with `keras`, "
                "or give a function that calls it. "
                f"Received: {kind.__module__}.{kind.__name__}"
            )
        if layer_names:
            check_layers("teacher", part, layer_names)
    if layer_names and len(_sources(source)) > 1:
        raise ValueError(
            "Losses between layers need one teacher. Received: "
            f"{len(source)} teachers, layers {layer_names}"
        )


def check_layers(role, model, layer_names) -> None:
    """Raises a ValueError unless a model has layers of these names."""
    if not isinstance(model, keras.Model) or not is_graph(model):
        raise ValueError(
            f"Losses between layers need a {role} that is a Sequential or "
            f"Functional model. Received: {type(model).__module__}."
            f"{type(model).__name__}, layers {layer_names}"
        )
    if not model.built:
        raise ValueError(
            f"Losses between layers need a {role} that is built: begin it with "
            "`keras.Input`, or call it on a batch once. "
            f"Received: {model.name!r}, layers {layer_names}"
        )
    known = [layer.name for layer in model.layers]
    for name in layer_names:
        if name not in known:
            raise ValueError(
                f"The {role} has no layer {name!r}. "
                f"Received: its layers are {known}"
            )


def _sources(source):
    return list(source) if isinstance(source, (list, tuple)) else [source]


def _mean(*members):
    return sum(members) / len(members)


def _mean_logits(*members):
    """The geometric mean of the probabilities, but for a constant."""
    return sum(ops.log_softmax(logits) for logits in members) / len(members)
