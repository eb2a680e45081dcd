"""A matrix as the product of two thin ones."""

import numpy as np

# Rounded to its type, a matrix has singular values that are off by up to half
# an epsilon of its norm; to find them adds some more.
_EPSILONS = 4


def singular_values(matrix: np.ndarray) -> np.ndarray:
    """The singular values that are more than rounding, the largest first."""
    values = np.linalg.svd(matrix.astype("float64"), compute_uv=False)
    is_double = matrix.dtype == np.float64
    epsilon = np.finfo(np.float64 if is_double else np.float32).eps
    return values[values > _EPSILONS * epsilon * np.linalg.norm(values)]


def rank_for(values: np.ndarray, energy: float) -> int:
    """The least rank that keeps a share of the squared singular values."""
    # What is lost, not what is kept: small values vanish in a large sum.
    lost = _lost(values)
    return int(np.argmax(lost <= (1 - energy) * lost[0]))


def kept_energy(values: np.ndarray, rank: int) -> float:
    """The share of the squared singular values that a rank keeps."""
    lost = _lost(values)
    return float(1 - lost[rank] / lost[0])


def factors(matrix: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Two matrices of equal norm; no product of the rank is nearer."""
    left, values, right = np.linalg.svd(
        matrix.astype("float64"), full_matrices=False
    )
    root = np.sqrt(values[:rank])
    pair = left[:, :rank] * root, root[:, None] * right[:rank]
    return tuple(factor.astype(matrix.dtype) for factor in pair)


def _lost(values):
    """The squares that each rank leaves out, from rank 0 to all."""
    sums = np.cumsum(values[::-1] ** 2)[::-1]
    return np.append(sums, 0.0)
