"""From a problem to the plan that earns most, with a proof and the price of every limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pipeline.allocation.box import Box, fold
from pipeline.allocation.conflict import (
    all_limits,
    check_nested,
    checked_lines,
    infeasible,
    relaxed_to,
    smallest_conflict,
)
from pipeline.allocation.coupled import CoupledSolution, solve_coupled
from pipeline.allocation.nested import AIM, solve_nested
from pipeline.allocation.nonconvex import legal_value, split_sides
from pipeline.allocation.prices import line_prices, nested_prices, touched_bounds
from pipeline.allocation.problem import BUDGET, Problem
from pipeline.allocation.tree import Tree, plant
from pipeline.allocation.work import Work
from pipeline.core.errors import ConfigError, InfeasibleError, UndecidedError
from pipeline.core.types import BoolArray, FloatArray

PROVEN = 1e-6
"""Relative gap at which a split is called optimal when curves are concave."""
CERTIFIED = 1e-3
"""Relative gap at which it is when they are not."""
_CONFLICT_UNITS = 20_000.0  # of work for each question whether some limits contradict each other
_NOTHING = 1e-290  # outcomes this small have no digits left to tell them apart
_RAIL_SLACK = 1e-8  # of a guardrail's terms


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A plan and its proof.

    What limits are called takes longer than the plan where there are very many lines, so prices
    and binding limits get their names when they are asked for; hence no slots.

    Attributes:
        status: `optimal` when the gap is as small as the curves allow; else `stopped` when the
            clock ended the search, and `feasible` when its work did.
        spend: (n_lines,), in the problem's order.
        objective: what the plan earns.
        upper_bound: no split inside the limits earns more.
        gap: bound minus objective, relative to the larger of the two.
        limit_prices: outcome that one more unit of groups, guardrails and `budget` would earn.
        line_price: (n_lines,), what a unit of money earns that a line would have to give up.
        weight: (n_lines,), of an outcome on the line under the guardrails' prices.
        marginal_return: (n_lines,), outcome from one more unit of money on the line.
    """

    problem: Problem = field(repr=False)
    status: str
    spend: FloatArray
    objective: float
    upper_bound: float
    gap: float
    limit_prices: dict[str, float]
    line_price: FloatArray
    weight: FloatArray
    marginal_return: FloatArray

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


@dataclass(frozen=True, slots=True)
class _Found:
    """What any of the solvers hands over."""

    spend: FloatArray
    bound: float
    prices: dict[str, float]
    line_price: FloatArray
    weight: FloatArray


def solve(
    problem: Problem,
    *,
    start_price: float | None = None,
    explain: bool = True,
    work: Work | None = None,
) -> Solution:
    """Return the plan with the largest outcome inside every limit.

    Args:
        start_price: what money earned yesterday; a good guess saves time, a bad one costs none.
        explain: look for a smallest contradicting set where only many solves can find it; else
            name the limits that do not nest, for a caller who only wants to know.
        work: how long the search may go on.

    Raises:
        InfeasibleError: no plan can obey the limits; names a smallest contradicting set.
        UndecidedError: the work ended before a plan was found, or proven impossible.
    """
    work = Work() if work is None else work
    problem = checked_lines(problem)
    tree, crossing = _tree(problem)
    check_nested(problem, tree)
    box = fold(problem)
    if not is_reachable(tree, box):
        raise _contradiction(problem, work)
    if not np.isfinite(box.high).all() and not problem.guardrails:
        line = problem.ids[int(np.argmax(box.high))]
        raise ConfigError(
            f"line {line!r}: nothing limits its spend; give it a max, or give a budget"
        )
    bounded = bool(np.isfinite(box.high).all())
    found = _nested(problem, box, tree, crossing, start_price, work) if bounded else None
    legal = found is not None and box.holds(found.spend, 1e-9 * max(found.spend.sum(), 1e-300))
    if found is None or not legal or not _keeps(problem, crossing, found.spend):
        found = _coupled(problem, box, tree, found, work, explain=explain)
    return _finish(problem, box, found, work)


def relative_gap(objective: float, bound: float) -> float:
    """Return how far the bound is above the objective, relative to the larger of the two."""
    if bound - objective <= _NOTHING:
        return 0.0
    return (bound - objective) / max(abs(objective), abs(bound))


def status_of(proven: bool, work: Work) -> str:
    """Return what a plan is called: proven, or best when the clock or the work ended the search."""
    return "optimal" if proven else "stopped" if work.is_stopped else "feasible"


def is_allowed(problem: Problem, spend: FloatArray) -> bool:
    """Return whether a split obeys every limit, up to rounding."""
    scale = max(float(spend.sum()), problem.budget if np.isfinite(problem.budget) else 0.0)
    slack = 1e-9 * scale
    total = float(spend.sum())
    if total > problem.budget + slack or (problem.exactly and total < problem.budget - slack):
        return False
    gate = np.zeros(problem.size) if problem.gate is None else problem.gate
    if not Box(problem.lower, problem.upper, gate).holds(spend, slack):
        return False
    return _keeps(problem, tuple(range(len(problem.groups))), spend)


def is_reachable(tree: Tree, box: Box) -> bool:
    """Return whether the nested limits can be met inside the box."""
    least, most = tree.reach(box.low, box.high)
    return bool((least <= most + 1e-9 * np.abs(least)).all())


def _tree(problem: Problem) -> tuple[Tree, tuple[int, ...]]:
    return plant(
        problem.size,
        (problem.budget if problem.exactly else 0.0, problem.budget),
        [group.members for group in problem.groups],
        [(group.min, group.max) for group in problem.groups],
    )


def _keeps(problem: Problem, groups: tuple[int, ...], spend: FloatArray) -> bool:
    """Return whether a split keeps the guardrails and the chosen groups."""
    slack = 1e-9 * max(float(spend.sum()), 1e-300)
    for index in groups:
        group = problem.groups[index]
        total = float(spend[group.members].sum())
        if not group.min - slack <= total <= group.max + slack:
            return False
    for rail in problem.guardrails:
        scale = sum(abs(w * problem.measure(q, spend)) for w, q in rail.terms())
        if problem.slack(rail, spend) < -_RAIL_SLACK * max(scale, abs(rail.threshold)):
            return False
    return True


def _nested(
    problem: Problem,
    box: Box,
    tree: Tree,
    crossing: tuple[int, ...],
    start: float | None,
    work: Work,
) -> _Found:
    """Return the best plan under the limits that nest; the others may be broken by it."""
    solved = solve_nested(problem.curves, box, tree, work, start=start)
    idle = {rail.id: 0.0 for rail in problem.guardrails}
    idle |= {problem.groups[index].id: 0.0 for index in crossing}
    return _Found(
        solved.spend,
        solved.bound,
        {**nested_prices(problem, box, tree, solved.spend, solved.prices), **idle},
        solved.prices[tree.home],
        np.ones(problem.size),
    )


def _coupled(
    problem: Problem, box: Box, tree: Tree, relaxed: _Found | None, work: Work, *, explain: bool
) -> _Found:
    solved = solve_coupled(
        problem,
        box,
        tree,
        lambda spend: is_allowed(problem, spend),
        work,
        tolerance=AIM,
        start=None if relaxed is None else relaxed.spend,
    )
    bound = solved.bound if relaxed is None else min(solved.bound, relaxed.bound)
    spend = solved.spend
    if spend is None and bound > -np.inf:
        if problem.current is None or not is_allowed(problem, problem.current):
            raise UndecidedError(
                "no plan inside all limits was found, and none was proven impossible, in the time "
                "or work allowed; give more of it, ease a guardrail or an on-or-off minimum, or "
                "give a current plan that keeps the limits"
            )
        spend = problem.current
    if spend is None:
        if not explain:
            raise infeasible(all_limits(problem)[-len(problem.guardrails) - 1 :])
        raise _contradiction(problem, work)
    return _Found(spend, bound, solved.prices, solved.line_price, solved.weight)


def _contradiction(problem: Problem, work: Work) -> InfeasibleError:
    return smallest_conflict(
        all_limits(problem), lambda kept: _possible(problem, kept), lambda: work.is_stopped
    )


def _possible(problem: Problem, kept: frozenset[str]) -> bool:
    """Return whether a plan exists, as far as little work can tell, under the named limits."""
    smaller = relaxed_to(problem, kept)
    most = problem.budget if np.isfinite(problem.budget) else 0.0
    most += float(problem.lower.sum()) + sum(group.min for group in problem.groups)
    wide = smaller.changed(upper=np.minimum(smaller.upper, np.maximum(most, smaller.lower)))
    tree, _ = _tree(wide)
    solved: CoupledSolution = solve_coupled(
        wide,
        fold(wide),
        tree,
        lambda spend: is_allowed(wide, spend),
        Work(units=_CONFLICT_UNITS),
        tolerance=AIM,
        any_plan=True,
    )
    return solved.spend is not None or solved.bound > -np.inf


def _finish(problem: Problem, box: Box, found: _Found, work: Work) -> Solution:
    spend, earned = found.spend, legal_value(problem.curves, box, found.spend)
    current = problem.current
    if current is not None and is_allowed(problem, current):
        kept = float(problem.curves.value(current).sum())
        if kept > earned:
            spend, earned = current.copy(), kept
    bound = max(found.bound, earned)
    gap = relative_gap(earned, bound)
    proven = gap <= PROVEN or (gap <= CERTIFIED and not _is_concave(problem, box))
    return Solution(
        problem=problem,
        status=status_of(proven, work),
        spend=spend,
        objective=earned,
        upper_bound=bound,
        gap=gap,
        limit_prices=found.prices,
        line_price=found.line_price,
        weight=found.weight,
        marginal_return=problem.curves.marginal(spend),
    )


def _is_concave(problem: Problem, box: Box) -> bool:
    """Return whether every curve is concave where the plan may go."""
    if not np.isfinite(box.high).all():
        return False
    sides = split_sides(problem.curves, box)
    straight = problem.curves.inflection() > box.low
    return bool(np.isnan(sides.off_low).all() and not straight.any())


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
    slack = 1e-9 * max(float(spend.sum()), 1e-300)
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


__all__ = ["BUDGET", "Solution", "is_allowed", "solve"]
