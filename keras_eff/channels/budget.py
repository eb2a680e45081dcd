"""The least sparsity that meets a budget."""

import dataclasses
from collections.abc import Callable

from keras_eff.arguments import read_number
from keras_eff.channels.plan import ChannelPlan
from keras_eff.graph.progress import progress

# Sparsities that differ by less seldom remove another channel.
_TOLERANCE = 1 / 128
_STEPS = 7


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a model may cost at most.

    Attributes:
        name: String, the argument that gives the limit.
        limit: Float, the most that it may cost.
        cost_of: Function from a plan to what its model costs.
    """

    name: str
    limit: float
    cost_of: Callable[[ChannelPlan], float]


def least_sparsity(
    plan_for: Callable[[float], ChannelPlan],
    budgets: list[Budget],
    highest: float,
    verbose="auto",
) -> ChannelPlan:
    """The plan of least sparsity that meets all budgets, by bisection."""
    costs = {}

    def meets(sparsity):
        plan = plan_for(sparsity)
        for budget in budgets:
            costs[budget.name] = budget.cost_of(plan)
            if costs[budget.name] > budget.limit:
                return None
        return plan

    best = meets(0.0)
    if best is not None:
        return best
    best = meets(highest)
    if best is None:
        raise ValueError(_unmet(budgets, costs, highest))
    low, high = 0.0, highest
    advance = progress(_STEPS, verbose)
    while high - low > _TOLERANCE:
        middle = (low + high) / 2
        plan = meets(middle)
        advance()
        if plan is None:
            low = middle
        else:
            best, high = plan, middle
    return best


def _unmet(budgets, costs, sparsity):
    reached = "; ".join(
        f"{budget.name}={budget.limit:,g}, of which {costs[budget.name]:,g} is "
        "possible"
        for budget in budgets
        if budget.name in costs and costs[budget.name] > budget.limit
    )
    return (
        "The budget cannot be met, whatever is removed: give it more, raise "
        "`max_layer_sparsity`, or lower `min_channels` and `multiple_of`. "
        f"Received: {reached} at a sparsity of {sparsity:g}"
    )


def budget(name: str, limit, cost_of: Callable) -> Budget:
    """A budget, checked."""
    return Budget(name, read_number(name, limit, "(0, inf)"), cost_of)
