"""Spending a little money away from the best known split, in order to learn.

Lines are paired by seeded chance: in every pair one goes up and one comes down by the same money,
so the total stays. A perfect optimiser removes the variation that identifies its curves; this
gives some back, and it is shown as its own column.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.types import FloatArray

STEP_SHARE = 0.10
"""Of a line's budget: what it moves when it explores."""


def explore(
    budgets: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    share: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Return the budgets with balanced moves, (n_lines,), inside the limits, same total.

    Args:
        share: of all money that may be moved away from the best known split; half of the sum of
            absolute moves counts, as every unit leaves one line for another.
        rng: the night's dice.
    """
    order = rng.permutation(budgets.size)
    left = share * float(budgets.sum())
    out = budgets.copy()
    for up, down in zip(order[0::2], order[1::2], strict=False):
        money = min(
            STEP_SHARE * min(budgets[up], budgets[down]),
            upper[up] - budgets[up],
            budgets[down] - lower[down],
            left,
        )
        if money > 0:
            out[up] += money
            out[down] -= money
            left -= money
    return out
