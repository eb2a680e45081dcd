import collections

from keras_eff.transforms.cloning import clone
from keras_eff.transforms.graph import rebuild
from keras_eff.transforms.kinds import kind_of


class Rewriter:
    """Rebuilds a model by rules, one for each kind of operation.

    Args:
        rules: Dict from a kind (see `kinds.kind_of`) to a function of a
            `graph.Call` and this rewriter, which returns the outputs of the
            call in the new model. An operation of another kind is copied.
        keeps: Predicate on an operation: those are copied whatever the rules.
    """

    def __init__(self, rules, keeps=lambda operation: False):
        self.rules = rules
        self.keeps = keeps
        self._layers = {}
        self._names = collections.Counter()

    def rewrite(self, model):
        """A new model; nested models are rewritten too, and stay nested."""
        return rebuild(model, self.rule)

    def rule(self, call):
        kind = kind_of(call.operation)
        if self.keeps(call.operation):
            return self.copy(call)
        if kind == "model":
            return self.nested(call)
        return self.rules.get(kind, _copy)(call, self)

    def nested(self, call):
        model = call.operation
        return self.apply(
            id(model),
            lambda: self.rewrite(model),
            None,
            *call.args,
            **call.kwargs,
        )

    def copy(self, call, make=None):
        """Calls the clone of the operation; a shared layer stays shared."""
        operation = call.operation
        return self.apply(
            id(operation),
            make or (lambda: self.clone(operation)),
            getattr(operation, "variables", ()),
            *call.args,
            **call.kwargs,
        )

    def clone(self, operation):
        return clone(operation)

    def apply(self, key, make, weights, *args, **kwargs):
        """Calls the layer known by `key`, made and given weights just once.

        `weights` are assigned in order; None leaves what `make` gave.
        """
        if key in self._layers:
            return self._layers[key](*args, **kwargs)
        layer = self._layers[key] = make()
        outputs = layer(*args, **kwargs)
        if weights is not None:
            targets = getattr(layer, "variables", ())
            for source, target in zip(weights, targets, strict=True):
                target.assign(source)
        return outputs

    def unique(self, name):
        """The name, numbered when it was given before."""
        self._names[name] += 1
        count = self._names[name]
        return name if count == 1 else f"{name}_{count - 1}"


def _copy(call, rewriter):
    return rewriter.copy(call)
