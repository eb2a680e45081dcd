import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_eff.layers import PruningMask
from keras_eff.layers import TransformedWeights
from keras_eff.layers import WeightFakeQuant
from keras_eff.layers.pruning_mask import check_reach
from keras_eff.schedules import PolynomialDecay

KERNEL = np.float32([[0.4, -3.0], [1.0, 1.4], [-0.6, 0.5]])


def built(shape=KERNEL.shape, **options):
    step = PruningMask(**options)
    step.build(shape)
    return step


def mask_of(step):
    return ops.convert_to_numpy(step.mask)


def saliency(*shape):
    return np.random.default_rng(0).random(shape, "float32")


@pytest.mark.parametrize(
    "options", [{}, {"block_shape": (2, 1)}, {"pattern": "2:4"}], ids=str
)
def test_contract(contract, options):
    # Its input is a weight: as a step of a layer it sees one.
    dense = keras.layers.Dense
    contract(lambda: TransformedWeights(dense(3), [PruningMask(**options)]))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"schedule": PolynomialDecay(0.0, 0.8, 0, 9), "pattern": "2:4"},
        {"block_shape": (4, 1), "weight_name": "embeddings"},
        {"pattern": "channel", "channel_axes": (-2, -1), "name": "mine"},
    ],
    ids=str,
)
def test_the_config_keeps_everything(options):
    step = PruningMask(**options)
    serialized = keras.saving.serialize_keras_object(step)
    assert serialized["registered_name"] == "keras_eff>PruningMask"
    serialized = json.loads(json.dumps(serialized))
    clone = keras.saving.deserialize_keras_object(serialized)
    for argument in ("schedule", "pattern", "block_shape", "channel_axes"):
        assert getattr(clone, argument) == getattr(step, argument)
    assert clone.get_config() == step.get_config()
    assert clone.weight_name == options.get("weight_name", "kernel")


@pytest.mark.parametrize("training", [False, True])
def test_it_starts_as_the_identity(training):
    outputs = built()(KERNEL, training=training)
    np.testing.assert_array_equal(ops.convert_to_numpy(outputs), KERNEL)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("has_dense_gradient", [False, True])
def test_pruned_weights_are_seen_as_zero(training, has_dense_gradient):
    step = built()
    step.has_dense_gradient = has_dense_gradient
    step.prune(0.5, np.abs(KERNEL))
    outputs = ops.convert_to_numpy(step(KERNEL, training=training))
    expected = np.float32([[0.0, -3.0], [1.0, 1.4], [0.0, 0.0]])
    np.testing.assert_array_equal(outputs, expected)


def test_the_mask_is_a_weight_that_does_not_train():
    step = built()
    assert [w.name for w in step.non_trainable_weights] == ["mask"]
    assert not step.trainable_weights
    assert step.mask.dtype == "bool"


def test_a_pruned_weight_gets_no_gradient(gradient):
    step = built()
    step.prune(0.5, np.abs(KERNEL))
    np.testing.assert_array_equal(gradient(step, KERNEL), mask_of(step))


def test_a_dense_gradient_is_that_of_the_weight_at_0(gradient):
    step = built()
    step.prune(0.5, np.abs(KERNEL))
    step.has_dense_gradient = True
    found = gradient(lambda w: (step(w) - 1.0) ** 2, KERNEL)
    seen = np.where(mask_of(step), KERNEL, 0)
    np.testing.assert_allclose(found, 2 * (seen - 1), rtol=1e-6)


def test_pruned_again_masks_are_nested():
    step, before = built((6, 8)), np.ones((6, 8), bool)
    for i, share in enumerate([0.25, 0.5, 0.75]):
        values = np.random.default_rng(i).random((6, 8), "float32")
        step.prune(share, values)
        after = mask_of(step)
        assert not (after & ~before).any()
        assert step.sparsity == share == 1 - after.mean()
        before = after


def test_kept_zeros_go_after_what_is_pruned_already():
    step = built((2, 4))
    step.prune(0.5, np.float32([[1, 2, 3, 4], [4, 3, 2, 1]]))
    before = mask_of(step)
    step.prune(0.5, np.zeros((2, 4), "float32"))
    np.testing.assert_array_equal(mask_of(step), before)


def test_the_best_weight_stays_whatever_the_sparsity():
    step = built()
    step.prune(0.999, np.abs(KERNEL))
    assert mask_of(step).tolist() == [[0, 1], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    "shape, options, block",
    [
        ((6, 8), {}, (1, 1)),
        ((3, 3, 6, 8), {"block_shape": (4, 3)}, (1, 1, 4, 3)),
        ((6, 8), {"pattern": "channel"}, (6, 1)),
        ((3, 3, 6, 8), {"pattern": "channel"}, (3, 3, 6, 1)),
        (
            (3, 3, 6, 8),
            {"pattern": "channel", "channel_axes": (-2, -1)},
            (3, 3, 1, 1),
        ),
        ((6, 8), {"pattern": "2:4"}, (1, 1)),
    ],
    ids=str,
)
def test_units_by_pattern(shape, options, block):
    step = built(shape, **options)
    assert step.block == block
    assert step.unit_sizes.sum() == np.prod(shape)
    step.prune(0.4, saliency(*shape))
    kept = step.kept_units
    assert kept.shape == step.unit_sizes.shape
    step.set_units(kept)
    assert 0.3 < step.sparsity < 0.5
    assert step.sparsity == 1 - mask_of(step).mean()
    np.testing.assert_array_equal(step.kept_units, kept)
    # Units are pruned as a whole.
    hidden = step.unit_sizes[~kept].sum()
    assert hidden == (~mask_of(step)).sum()


def test_n_of_m_stay_in_each_group_along_the_inputs():
    step = built((8, 5), pattern="2:4")
    assert step.max_sparsity == 0.5
    step.prune(0.5, saliency(8, 5))
    groups = mask_of(step).reshape(2, 4, 5)
    assert (groups.sum(axis=1) == 2).all()
    best = np.sort(saliency(8, 5).reshape(2, 4, 5), axis=1)[:, 2:]
    kept = np.where(groups, saliency(8, 5).reshape(2, 4, 5), 0)
    np.testing.assert_array_equal(np.sort(kept, axis=1)[:, 2:], best)


def test_it_comes_before_other_steps_and_zeros_go_through_them():
    mask, rounding = PruningMask(), WeightFakeQuant(4)
    layer = TransformedWeights(keras.layers.Dense(5), [rounding, mask])
    layer.build((None, 6))
    assert layer.transforms == [mask, rounding]
    mask.prune(0.5, saliency(6, 5))
    kernel = ops.convert_to_numpy(layer.transformed_variables()[0])
    assert (kernel[~mask_of(mask)] == 0).all()


@pytest.mark.parametrize("dtype", ["int64", "float16", "float64"])
def test_saliencies_may_be_numbers_of_any_kind(dtype):
    step = built((2, 2))
    step.prune(0.5, np.array([[0, 3], [0, 2]], dtype))
    assert mask_of(step).tolist() == [[False, True], [False, True]]
    step.prune(0.5, np.array([[0, 0], [0, 0]], dtype))
    assert mask_of(step).tolist() == [[False, True], [False, True]]


@pytest.mark.parametrize(
    "pattern", ["4:2", "2:2", "0:4", "2:", "x", "1:2:3", "-1:4", None, 3]
)
def test_the_pattern_is_one_of_three(pattern):
    with pytest.raises(ValueError, match="`pattern` must be .*pattern="):
        PruningMask(pattern=pattern)


def test_lengths_of_a_block_may_be_integers_of_numpy():
    block = PruningMask(block_shape=tuple(np.array([4, 1]))).block_shape
    assert block == (4, 1) and type(block[0]) is int


@pytest.mark.parametrize("block_shape", [4, (4,), (0, 1), (1.0, 1), (1, 2, 3)])
def test_the_block_is_a_pair_of_positive_integers(block_shape):
    message = "`block_shape.* positive integer.*block_shape"
    with pytest.raises(ValueError, match=message):
        PruningMask(block_shape=block_shape)


@pytest.mark.parametrize("pattern", ["channel", "2:4"])
def test_blocks_do_not_go_with_another_pattern(pattern):
    with pytest.raises(ValueError, match=f"block_shape=.*pattern='{pattern}'"):
        PruningMask(pattern=pattern, block_shape=(4, 1))


def test_a_schedule_is_a_function():
    with pytest.raises(TypeError, match="`schedule` .*schedule=0.5"):
        PruningMask(0.5)


def test_a_bias_cannot_be_pruned():
    message = r"two axes or more. Received: a weight of shape \(3,\)"
    layer = TransformedWeights(
        keras.layers.Dense(3), [PruningMask(weight_name="bias")]
    )
    with pytest.raises(ValueError, match=message):
        layer.build((None, 2))


def test_a_pattern_may_not_reach_a_sparsity():
    step = PruningMask(pattern="3:4")
    check_reach(step, 0.25)
    check_reach(step, float(np.float32(0.25)) + 1e-9)
    message = "'3:4' prunes a share of at most 0.25: .*sparsity=0.3"
    with pytest.raises(ValueError, match=message):
        check_reach(step, 0.3)
    with pytest.raises(ValueError, match=r"\[0, 1\). Received: sparsity=1.0"):
        check_reach(PruningMask(), 1.0)
