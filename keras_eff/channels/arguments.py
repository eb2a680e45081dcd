"""Checks of what is asked for."""

import numbers
from collections.abc import Mapping


def check_limits(multiple_of, min_channels, max_layer_sparsity) -> None:
    for name, value in (
        ("multiple_of", multiple_of),
        ("min_channels", min_channels),
    ):
        if not isinstance(value, numbers.Integral) or value < 1:
            raise ValueError(
                f"Argument `{name}` must be a positive integer. "
                f"Received: {name}={value!r}"
            )
    check_share("max_layer_sparsity", max_layer_sparsity)


def check_share(name: str, value) -> None:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (is_number and 0 <= value < 1):
        raise ValueError(
            f"Argument `{name}` must be a float in [0, 1). "
            f"Received: {name}={value!r}"
        )


def check_choice(sparsity, scope, budgets) -> None:
    if scope not in ("layer", "global"):
        raise ValueError(
            'Argument `scope` must be "layer" or "global". '
            f"Received: scope={scope!r}"
        )
    if sparsity is not None and budgets:
        raise ValueError(
            "Give either `sparsity`, or a budget: `max_parameters`, `max_macs` "
            f"or `max_latency_ms`. Received: sparsity={sparsity!r}, budgets "
            f"{[budget.name for budget in budgets]}"
        )
    if isinstance(sparsity, Mapping):
        if scope == "global":
            raise ValueError(
                "Argument `sparsity` must be a float with "
                f'scope="global". Received: sparsity={sparsity!r}'
            )
        for name, share in sparsity.items():
            check_share(f"sparsity[{name!r}]", share)
    elif sparsity is not None:
        check_share("sparsity", sparsity)
