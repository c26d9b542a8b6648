"""A plan with its proof, and what its limits cost and are called."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pipeline.allocation.curves import Curves
from pipeline.allocation.prices import line_prices, touched_bounds
from pipeline.allocation.problem import BUDGET, Problem
from pipeline.allocation.work import Work
from pipeline.core.types import BoolArray, FloatArray

OPTIMAL, FEASIBLE, STOPPED = "optimal", "feasible", "stopped"
AT = 5e-9
"""Of a sum of money: closer than this to its limit is at it; plans keep half of it away from limits
that do not nest."""
_NOTHING = 1e-290  # outcomes this small have no digits left to tell them apart


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A plan and its proof.

    What follows from a plan takes longer than the plan where there are very many lines, so
    marginal returns, prices of bounds and binding limits are found when asked for; hence no slots.

    Attributes:
        status: `optimal` when the gap is as small as the curves allow; else `stopped` when the
            clock ended the search, and `feasible` when its work did.
        spend: (n_lines,), in the problem's order.
        objective: what the plan earns.
        upper_bound: no split inside the limits earns more.
        gap: bound minus objective, relative to the larger of the two, or to `least`.
        limit_price: (1 + n_groups + n_guardrails,), outcome that one more unit of the budget, the
            groups and the guardrails would earn.
        line_price: (n_lines,), what a unit of money earns that a line would have to give up;
            (1,) where it is the same for all.
        weight: (n_lines,), of an outcome on the line under the guardrails' prices; or (1,).
        curves: what the objective sums; the problem's own unless chance is weighed.
        least: an outcome that is as good as nothing, against what the money could earn.
    """

    problem: Problem = field(repr=False)
    status: str
    spend: FloatArray
    objective: float
    upper_bound: float
    gap: float
    limit_price: FloatArray
    line_price: FloatArray
    weight: FloatArray
    curves: Curves = field(repr=False)
    least: float = 0.0

    @cached_property
    def marginal_return(self) -> FloatArray:
        """Outcome from one more unit of money on each line, (n_lines,)."""
        return self.curves.marginal(self.spend)

    @cached_property
    def limit_prices(self) -> dict[str, float]:
        """The prices of `budget`, groups and guardrails by name."""
        names = names_of_limits(self.problem)
        prices = np.where(np.abs(self.limit_price) > _NOTHING, self.limit_price, 0.0)
        return dict(zip(names, prices.tolist(), strict=True))

    @cached_property
    def prices(self) -> dict[str, float]:
        """Outcome that one more unit of each limit would earn, by name; floors are below 0.

        Groups, guardrails, `budget`, and the line bounds that the plan touches.
        """
        bounds = line_prices(
            self.problem, self._touched, self.marginal_return, self.line_price, self.weight
        )
        return {**self.limit_prices, **bounds}

    @cached_property
    def binding(self) -> tuple[tuple[str, ...], ...]:
        """Per line, the names of the limits that hold it; empty where it is free."""
        return _binding(self.problem, self.spend, self._touched, self.limit_prices)

    @cached_property
    def _touched(self) -> tuple[BoolArray, BoolArray]:
        return touched_bounds(self.problem, self.spend)


def relative_gap(objective: float, bound: float, least: float = 0.0) -> float:
    """Return how far the bound is above the objective, relative to the larger of the two.

    Args:
        least: what it is relative to at least.
    """
    if bound - objective <= _NOTHING:
        return 0.0
    return (bound - objective) / max(abs(objective), abs(bound), least)


def status_of(proven: bool, work: Work) -> str:
    """Return what a plan is called: proven, or best when the clock or the work ended the search."""
    return OPTIMAL if proven else STOPPED if work.is_stopped else FEASIBLE


def names_of_limits(problem: Problem) -> list[str]:
    """Return what the budget, the groups and the guardrails are called, in this order."""
    groups, rails = problem.groups, problem.guardrails
    return [BUDGET, *(group.id for group in groups), *(rail.id for rail in rails)]


def _binding(
    problem: Problem,
    spend: FloatArray,
    touched: tuple[BoolArray, BoolArray],
    prices: dict[str, float],
) -> tuple[tuple[str, ...], ...]:
    """Return per line the limits that hold it: its own bounds, and groups that have a price."""
    names: list[tuple[str, ...]] = [()] * problem.size
    for side, mask in zip(("max", "min"), touched, strict=True):
        lines = np.flatnonzero(mask)
        for line, name in zip(lines.tolist(), problem.names_of(lines, side), strict=True):
            names[line] = (name,)
    slack = AT * max(float(spend.sum()), 1e-300)
    for group in problem.groups:
        if prices.get(group.id, 0.0) == 0:
            continue
        total = float(spend[group.members].sum())
        side = "max" if total >= group.max - slack else "min" if total <= group.min + slack else ""
        if side:
            own = (group.limit_name(side),)
            for line in group.members.tolist():
                names[line] += own
    return tuple(names)
