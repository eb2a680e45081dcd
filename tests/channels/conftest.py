import keras
import numpy as np
import pytest

import keras_eff


def settle(model):
    """Random weights and statistics; returns inputs that reach them all."""
    random = np.random.default_rng(0)
    for variable in model.weights:
        name = variable.path.split("/")[-1]
        if name in ("gamma", "moving_variance"):
            value = random.uniform(0.5, 1.5, variable.shape)
        elif len(variable.shape) > 1:
            scale = np.prod(variable.shape[:-1]) ** -0.5
            value = random.normal(0, scale, variable.shape)
        else:
            value = random.normal(0, 0.3, variable.shape)
        variable.assign(value.astype("float32"))
    inputs = [
        random.integers(0, 5, (4, *x.shape[1:]))
        if "int" in x.dtype
        else random.standard_normal([4] + [n or 8 for n in x.shape[1:]])
        for x in model.inputs
    ]
    inputs = [
        x.astype(tensor.dtype)
        for x, tensor in zip(inputs, model.inputs, strict=True)
    ]
    return inputs if len(inputs) > 1 else inputs[0]


def outputs_of(model, inputs):
    outputs = keras.tree.flatten(model(inputs))
    return [keras.ops.convert_to_numpy(x) for x in outputs]


def random_saliency(seed):
    random = np.random.default_rng(seed)
    return lambda group: random.uniform(0.5, 1.0, len(group.roots))


def random_plan(model, sparsity, seed=0, **options):
    saliency = random_saliency(seed)
    return keras_eff.plan_channels(
        model, sparsity, saliency=saliency, **options
    )


@pytest.fixture
def same_as_masked():
    """A check that the smaller model computes what the masked one does."""

    def check(model, sparsity=0.6, seed=0, **options):
        inputs = settle(model)
        plan = random_plan(model, sparsity, seed, **options)
        smaller = plan.remove()
        found = outputs_of(smaller, inputs)
        before = outputs_of(model, inputs)
        with plan.masked():
            expected = outputs_of(model, inputs)
        # Another choice of channels would be seen.
        changed = any(
            np.abs(x - y).max() > 1e-2 * np.abs(x).max()
            for x, y in zip(expected, before, strict=True)
        )
        assert changed == bool(plan.removed)
        for x, y in zip(found, expected, strict=True):
            scale = np.abs(y).max()
            np.testing.assert_allclose(x, y, rtol=0, atol=1e-4 * scale)
        assert plan.num_parameters == smaller.count_params()
        return plan

    return check
