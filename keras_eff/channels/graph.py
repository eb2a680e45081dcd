"""The channels of a model, and what ties them."""

import functools

import keras

from keras_eff import layers
from keras_eff.channels import merge_rules
from keras_eff.channels import sequence_rules
from keras_eff.channels import shape_rules
from keras_eff.channels import weighted_rules
from keras_eff.channels.activations import ELEMENTWISE
from keras_eff.channels.labels import Labels
from keras_eff.channels.site import Site
from keras_eff.channels.visit import Visit
from keras_eff.graph.kinds import unwrapped
from keras_eff.graph.walk import calls
from keras_eff.graph.walk import is_graph

_OF_LAYERS = {
    weighted_rules.dense: "Dense",
    weighted_rules.convolution: "Conv1D Conv2D Conv3D",
    weighted_rules.transposed_convolution: (
        "Conv1DTranspose Conv2DTranspose Conv3DTranspose"
    ),
    weighted_rules.depthwise: "DepthwiseConv1D DepthwiseConv2D",
    weighted_rules.separable: "SeparableConv1D SeparableConv2D",
    weighted_rules.embedding: "Embedding",
    weighted_rules.batch_normalization: "BatchNormalization",
    weighted_rules.group_normalization: "GroupNormalization",
    weighted_rules.prelu: "PReLU",
    sequence_rules.attention: "MultiHeadAttention",
    sequence_rules.recurrent: "LSTM GRU SimpleRNN",
    shape_rules.pooled: (
        "AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D "
        "MaxPooling2D MaxPooling3D UpSampling1D UpSampling2D UpSampling3D "
        "Cropping1D Cropping2D Cropping3D"
    ),
    shape_rules.padded: "ZeroPadding1D ZeroPadding2D ZeroPadding3D",
    shape_rules.pooled_globally: (
        "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D "
        "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D"
    ),
    shape_rules.moved: "Flatten Permute",
    shape_rules.reshaped: "Reshape",
    shape_rules.repeated_vector: "RepeatVector",
    merge_rules.merge: "Add Average Maximum Minimum Multiply Subtract",
    merge_rules.concatenate: "Concatenate",
    merge_rules.elementwise: "Activation ELU LeakyReLU ReLU",
    merge_rules.rescaling: "Rescaling",
    merge_rules.unchanged: (
        "ActivityRegularization AlphaDropout Dropout GaussianDropout "
        "GaussianNoise Identity SpatialDropout1D SpatialDropout2D "
        "SpatialDropout3D"
    ),
}

_OF_OPERATIONS = {
    shape_rules.moved: (
        "ExpandDims Flip GetItem Moveaxis Squeeze Swapaxes Transpose"
    ),
    shape_rules.reshaped: "Reshape",
    shape_rules.padded: "Pad",
    shape_rules.reduced: "Amax Amin Max Mean Min Sum",
    merge_rules.merge: (
        "Add Divide Maximum Minimum Multiply Subtract TrueDivide"
    ),
    merge_rules.concatenate: "Concatenate",
}

_OF_OURS = {
    layers.DepthwiseSeparable: weighted_rules.depthwise_separable,
    layers.FakeQuant: merge_rules.rounded,
    layers.KeepFloat: merge_rules.rounded,
    layers.LocalProjectedAttention: sequence_rules.local_attention,
    layers.QRNN: sequence_rules.quasi_recurrent,
    layers.Zoneout: merge_rules.unchanged,
}


def _by_name(table):
    return {
        name: rule for rule, names in table.items() for name in names.split()
    }


_ELEMENTWISE = {name.replace("_", "") for name in ELEMENTWISE}
_LAYER_RULES, _OPERATION_RULES = map(_by_name, (_OF_LAYERS, _OF_OPERATIONS))


class ChannelGraph:
    """The channels of a model.

    Args:
        model: Sequential or Functional model.

    Attributes:
        labels: `Labels`, which channels go together.
        sites: Dict from the id of an operation to its `Site`.
    """

    def __init__(self, model):
        self.labels = Labels()
        self.sites = {}
        self._entered = {}
        for flow in self._walk(model, [None] * len(model.inputs)):
            if flow is not None:
                self.labels.freeze(flow.labels, "the model returns them")

    def _walk(self, model, flows):
        """The flows of the outputs of a model for those of its inputs."""
        found = {
            id(x): flow for x, flow in zip(model.inputs, flows, strict=True)
        }
        for node, _ in calls(model):
            outputs = self._visit(node, lambda x: found.get(id(x)))
            found.update(zip(map(id, node.outputs), outputs, strict=True))
        return [found.get(id(x)) for x in model.outputs]

    def _visit(self, node, flow_of):
        operation = node.operation
        site = self.sites.setdefault(id(operation), Site(operation))
        arguments = node.arguments
        visit = Visit(
            unwrapped(operation),
            site,
            self.labels,
            arguments.args,
            arguments.kwargs,
            node.outputs,
            flow_of,
        )
        if is_graph(operation):
            return self._enter(visit)
        return rule_of(visit.layer)(visit)

    def _enter(self, visit):
        """A nested model gets the same channels in each of its calls."""
        flows = visit.flows
        before = self._entered.setdefault(id(visit.layer), flows)
        for flow, other in zip(flows, before, strict=True):
            if flow is None or other is None or flow.axis != other.axis:
                visit.freeze(flow, f"{visit.name} is shared")
                visit.freeze(other, f"{visit.name} is shared")
            else:
                self.labels.unite(flow.labels, other.labels)
        return self._walk(visit.layer, flows)


def rule_of(operation):
    """The rule for an operation; what has none is frozen."""
    kind = type(operation)
    name = kind.__name__
    if kind in _OF_OURS:
        return _OF_OURS[kind]
    if not kind.__module__.startswith("keras."):
        return weighted_rules.frozen
    if not isinstance(operation, keras.layers.Layer):
        if name.lower() in _ELEMENTWISE:
            return merge_rules.elementwise
        return _OPERATION_RULES.get(name, weighted_rules.frozen)
    # Their `kernel` is not the float weight that the layer trains.
    is_changed = getattr(operation, "quantization_mode", None)
    if is_changed or getattr(operation, "lora_enabled", False):
        return weighted_rules.frozen
    if kind is keras.layers.Bidirectional:
        return _of_bidirectional(operation)
    return _LAYER_RULES.get(name, weighted_rules.frozen)


def _of_bidirectional(layer):
    rule = rule_of(layer.forward_layer)
    if rule in (sequence_rules.recurrent, sequence_rules.quasi_recurrent):
        return functools.partial(sequence_rules.bidirectional, rule=rule)
    return weighted_rules.frozen
