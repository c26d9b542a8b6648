"""How far to go from today's split towards the best known one.

The best split of the posterior mean is the end of the road, not tonight's order: a step must be
worth its risk. Between the two splits the gain is nearly linear and its spread is too, so a rule
on mean and spread decides between going and staying, and shortens the step where curvature does.
"""

from __future__ import annotations

import numpy as np

from pipeline.core.curves import ResponseTable
from pipeline.core.types import FloatArray

STEPS = np.linspace(0.0, 1.0, 11)


def choose_step(
    start: FloatArray,
    best: FloatArray,
    table: ResponseTable,
    *,
    kappa: float,
    min_probability: float,
) -> FloatArray:
    """Return the budgets to propose, (n_lines,): `start` itself where no step is worth it.

    Args:
        start, best: (n_lines,) splits that the limits allow; so is everything between them.
        kappa: how many standard deviations of its gain a step has to be worth.
        min_probability: below this chance of a gain the start is kept.
    """
    before = table.total(start)
    choice, score = start, 0.0
    for step in STEPS[1:]:
        budgets = start + step * (best - start)
        gain = table.total(budgets) - before
        worth = float(gain.mean() - kappa * gain.std())
        chance = float((gain > 0).mean())
        if worth > score and chance >= min_probability:
            choice, score = budgets, worth
    return choice
