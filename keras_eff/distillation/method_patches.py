import contextlib

import keras


@contextlib.contextmanager
def patched(instance, **attributes):
    """Gives an object other attributes inside a `with` block.

    After the block, and after an exception in it, they are as they were.
    """
    own = vars(instance)
    before = {name: own[name] for name in attributes if name in own}
    try:
        for name, value in attributes.items():
            setattr(instance, name, value)
        yield
    finally:
        for name in attributes:
            if name in before:
                setattr(instance, name, before[name])
            elif name in own:
                delattr(instance, name)


@contextlib.contextmanager
def with_metric(model, metric):
    """A model that reports one metric more inside a `with` block.

    It is no attribute of the model, which would be saved with it.
    """
    # The list that `Layer` tracks metrics in; tests/callbacks pins it.
    metrics = model._metrics
    if any(known is metric for known in metrics):
        yield
        return
    metrics.append(metric)
    try:
        yield
    finally:
        metrics.remove(metric)


def in_scope_of(model):
    """The scope of the distribution strategy that a model trains under."""
    strategy = getattr(model, "distribute_strategy", None)
    return strategy.scope() if strategy else contextlib.nullcontext()


class ScaledForReplicas(keras.losses.Loss):
    """A number as a loss, which Keras divides by the number of replicas."""

    def call(self, y_true, y_pred):
        return y_pred

    def of(self, value):
        return self(keras.ops.zeros((1,)), keras.ops.reshape(value, (1,)))
