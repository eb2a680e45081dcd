import numpy as np


def hypervolume(costs: np.ndarray, reference: np.ndarray) -> float:
    """The volume between points and a reference that they are better than.

    Exact, for any number of costs, by slicing along the last one. A point
    that is not better than the reference in all costs adds nothing.

    `costs`: array of shape (points, costs), all to be minimized. `reference`:
    array of shape (costs,).
    """
    inside = costs[(costs < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    return _volume(inside, reference)


def _volume(costs, reference):
    if costs.shape[1] == 1:
        return float(reference[0] - costs.min())
    costs = costs[np.argsort(costs[:, -1], kind="stable")]
    if costs.shape[1] == 2:
        return _area(costs, reference)
    ends = np.append(costs[1:, -1], reference[-1])
    slices = enumerate(ends - costs[:, -1], start=1)
    return sum(
        thickness * _volume(costs[:count, :-1], reference[:-1])
        for count, thickness in slices
        if thickness > 0
    )


def _area(costs, reference):
    """That of points sorted by the second cost: a staircase."""
    widths = reference[0] - np.minimum.accumulate(costs[:, 0])
    heights = np.diff(np.append(costs[:, 1], reference[1]))
    return float(widths @ heights)
