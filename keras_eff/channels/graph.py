"""The channels of a model, and what ties them."""

from keras_eff.channels import merge_rules
from keras_eff.channels import sequence_rules
from keras_eff.channels import shape_rules
from keras_eff.channels import weighted_rules
from keras_eff.channels.labels import Labels
from keras_eff.channels.site import Site
from keras_eff.channels.visit import Visit
from keras_eff.graph.book import UNKNOWN
from keras_eff.graph.book import entry_of
from keras_eff.graph.book import is_changed
from keras_eff.graph.book import unwrapped
from keras_eff.graph.walk import calls
from keras_eff.graph.walk import is_graph

_RULES = {
    name: rule
    for rules in (weighted_rules, sequence_rules, shape_rules, merge_rules)
    for name, rule in vars(rules).items()
}


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
    entry = UNKNOWN if is_changed(operation) else entry_of(operation)
    return _RULES[entry.channels]
