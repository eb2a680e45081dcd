import numpy as np
import pytest

from keras_eff.factorization.low_rank import factors
from keras_eff.factorization.low_rank import kept_energy
from keras_eff.factorization.low_rank import rank_for
from keras_eff.factorization.low_rank import singular_values


def matrix(*shape, dtype="float32"):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


def of_rank(rank, inputs, outputs, dtype):
    """A matrix of a rank, but for the rounding to its type."""
    generator = np.random.default_rng(0)
    left = generator.normal(size=(inputs, rank))
    right = generator.normal(size=(rank, outputs))
    return (left @ right).astype(dtype)


def best_error(values, rank):
    """Frobenius norm of what no matrix of the rank can have (Eckart-Young)."""
    return np.sqrt(sum(value**2 for value in values[rank:]))


@pytest.mark.parametrize("shape", [(12, 7), (7, 12)], ids=str)
@pytest.mark.parametrize("rank", [1, 4, 7])
def test_no_product_of_the_rank_is_nearer(shape, rank):
    kernel = matrix(*shape)
    left, right = factors(kernel, rank)
    assert left.shape == (shape[0], rank) and right.shape == (rank, shape[1])
    error = np.linalg.norm(kernel - left.astype("float64") @ right)
    best = best_error(np.linalg.svd(kernel, compute_uv=False), rank)
    assert error == pytest.approx(best, rel=1e-4, abs=1e-5)


def test_both_factors_have_the_same_norm_along_each_direction():
    left, right = factors(matrix(12, 7), 4)
    np.testing.assert_allclose(
        np.linalg.norm(left, axis=0), np.linalg.norm(right, axis=1), rtol=1e-5
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_factors_have_the_type_of_the_matrix(dtype):
    assert {f.dtype for f in factors(matrix(5, 4, dtype=dtype), 2)} == {
        np.dtype(dtype)
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(9, 8), (300, 64), (40, 200)], ids=str)
def test_rounding_makes_no_singular_values(dtype, shape):
    assert len(singular_values(of_rank(5, *shape, dtype))) == 5
    assert len(singular_values(matrix(*shape, dtype=dtype))) == min(shape)


def test_a_small_singular_value_is_no_rounding():
    kernel = np.diag([1.0, 1e-5]).astype("float32")
    assert len(singular_values(kernel)) == 2
    assert len(singular_values(np.diag([1.0, 1e-12]))) == 2


def test_zeros_have_no_singular_values():
    assert len(singular_values(np.zeros((4, 3), "float32"))) == 0


@pytest.mark.parametrize(
    "energy, rank",
    [(1e-9, 1), (0.49, 1), (0.5, 1), (0.51, 2), (0.87, 2), (0.98, 3), (1.0, 4)],
)
def test_the_least_rank_that_keeps_the_energy(energy, rank):
    # Squares 0.5, 0.375, 0.11, 0.015.
    values = np.sqrt([0.5, 0.375, 0.11, 0.015])
    assert rank_for(values, energy) == rank
    assert kept_energy(values, rank) >= energy - 1e-12


def test_all_energy_is_all_values_however_small():
    assert rank_for(np.array([1.0, 1e-3, 1e-13]), 1.0) == 3


def test_kept_energy_is_the_share_of_the_squares():
    assert kept_energy(np.array([3.0, 2.0, 1.0]), 2) == pytest.approx(13 / 14)
    assert kept_energy(np.array([3.0, 2.0, 1.0]), 3) == 1.0
