"""From a problem to the plan that earns most, with a proof and the price of every limit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from pipeline.allocation.box import Box, fold
from pipeline.allocation.concave import TreeSolution, solve_tree
from pipeline.allocation.conflict import (
    all_limits,
    check_nested,
    checked_lines,
    infeasible,
    relaxed_to,
    smallest_conflict,
)
from pipeline.allocation.coupled import CoupledSolution, solve_coupled
from pipeline.allocation.nonconvex import legal_value, polish, refine, split_sides
from pipeline.allocation.prices import line_prices, nested_prices, touched_bounds
from pipeline.allocation.problem import BUDGET, Problem
from pipeline.allocation.spatial import branch
from pipeline.allocation.tree import Tree, plant
from pipeline.core.errors import ConfigError
from pipeline.core.types import BoolArray, FloatArray

PROVEN = 1e-6
"""Relative gap at which a split is called optimal when curves are concave."""
CERTIFIED = 1e-3
"""Relative gap at which it is when they are not."""
_AIM = 1e-4  # what branching stops at
_AIM_LARGE = 5e-4  # and for more lines than
_LARGE = 2000
_NODES = 400
_SPATIAL_NODES = 40  # at least
_SPATIAL_WORK = 20_000  # nodes times lines
_BROKEN = 1e-6
_NOTHING = 1e-290  # outcomes this small have no digits left to tell them apart
_RAIL_SLACK = 1e-8  # of a guardrail's terms


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A plan and its proof.

    What limits are called takes longer than the plan where there are very many lines, so prices
    and binding limits get their names when they are asked for; hence no slots.

    Attributes:
        status: `optimal` when the gap is as small as the curves allow, else `feasible`.
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


def solve(problem: Problem, *, start_price: float | None = None, explain: bool = True) -> Solution:
    """Return the plan with the largest outcome inside every limit.

    Args:
        start_price: what money earned yesterday; a good guess saves time, a bad one costs none.
        explain: look for a smallest contradicting set where only many solves can find it; else
            name the limits that do not nest, for a caller who only wants to know.

    Raises:
        InfeasibleError: no plan can obey the limits; names a smallest contradicting set.
    """
    problem = checked_lines(problem)
    tree, crossing = _tree(problem)
    check_nested(problem, tree)
    box = fold(problem)
    if not is_reachable(tree, box):
        raise smallest_conflict(all_limits(problem), lambda kept: _possible(problem, kept))
    if not np.isfinite(box.high).all() and not problem.guardrails:
        line = problem.ids[int(np.argmax(box.high))]
        raise ConfigError(
            f"line {line!r}: nothing limits its spend; give it a max, or give a budget"
        )
    bounded = bool(np.isfinite(box.high).all())
    found = _nested(problem, box, tree, crossing, start_price) if bounded else None
    legal = found is not None and box.holds(found.spend, 1e-9 * max(found.spend.sum(), 1e-300))
    if found is None or not legal or not _keeps(problem, crossing, found.spend):
        found = _coupled(problem, box, found, explain=explain)
    return _finish(problem, box, found)


def relative_gap(objective: float, bound: float) -> float:
    """Return how far the bound is above the objective, relative to the larger of the two."""
    if bound - objective <= _NOTHING:
        return 0.0
    return (bound - objective) / max(abs(objective), abs(bound))


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
    problem: Problem, box: Box, tree: Tree, crossing: tuple[int, ...], start: float | None
) -> _Found:
    """Return the best plan under the limits that nest; the others may be broken by it."""
    envelope = problem.curves.envelope(box.low, box.high, box.gate)
    solved = solve_tree(envelope, tree, start)
    spend, bound, node_prices = solved.spend, solved.bound, solved.prices
    earned = legal_value(problem.curves, box, spend)
    if solved.bound - earned > _aim(problem) * abs(solved.bound):
        spend, bound, node_prices = _branched(problem, box, tree, solved, earned)
    idle = {rail.id: 0.0 for rail in problem.guardrails}
    idle |= {problem.groups[index].id: 0.0 for index in crossing}
    return _Found(
        spend,
        bound,
        {**nested_prices(problem, box, tree, spend, node_prices), **idle},
        node_prices[tree.home],
        np.ones(problem.size),
    )


def _aim(problem: Problem) -> float:
    return _AIM if problem.size <= _LARGE else _AIM_LARGE


def _branched(
    problem: Problem, box: Box, tree: Tree, solved: TreeSolution, earned: float
) -> tuple[FloatArray, float, FloatArray]:
    aim = _aim(problem) * max(abs(earned) if np.isfinite(earned) else 0.0, 0.1 * abs(solved.bound))
    spend, bound = refine(problem.curves, box, tree, solved, aim, _NODES)
    if bound - legal_value(problem.curves, box, spend) > aim:
        nodes = max(_SPATIAL_NODES, _SPATIAL_WORK // problem.size)
        spend, proven = branch(problem.curves, box, tree, spend, aim, nodes)
        bound = min(bound, proven)
    settled = polish(problem.curves, box, split_sides(problem.curves, box), tree, spend)
    if settled is None or legal_value(problem.curves, box, settled.spend) < legal_value(
        problem.curves, box, spend
    ):
        return spend, bound, solved.prices
    return settled.spend, bound, settled.prices


def _coupled(problem: Problem, box: Box, relaxed: _Found | None, *, explain: bool) -> _Found:
    start = relaxed.spend if relaxed is not None else None
    solved = solve_coupled(problem, box, _AIM, start)
    if solved.broken > _BROKEN or not np.isfinite(solved.value):
        if not explain:
            raise infeasible(all_limits(problem)[-len(problem.guardrails) - 1 :])
        raise smallest_conflict(all_limits(problem), lambda kept: _possible(problem, kept))
    bound = solved.bound if relaxed is None else min(solved.bound, relaxed.bound)
    if not _keeps(problem, (), solved.spend):
        tight = _tightened(problem, solved.spend)
        again = solve_coupled(tight, box, _AIM, solved.spend)
        if again.broken <= _BROKEN and _keeps(problem, (), again.spend):
            return _Found(again.spend, bound, again.prices, again.line_price, again.weight)
    return _Found(solved.spend, bound, solved.prices, solved.line_price, solved.weight)


def _tightened(problem: Problem, spend: FloatArray) -> Problem:
    """Return the problem with guardrails that ask for twice what the split falls short of.

    Linear programs keep a limit to a few parts in ten million; guardrails are kept closer.
    """
    rails = []
    for rail in problem.guardrails:
        short = max(-problem.slack(rail, spend), 0.0)
        per = 1.0 if rail.per is None else problem.measure(rail.per, spend)
        shift = rail.sign * 2 * short / per if per > 0 else 0.0
        low = None if rail.min is None else rail.min + shift
        high = None if rail.max is None else rail.max + shift
        rails.append(replace(rail, min=low, max=high))
    return problem.changed(guardrails=tuple(rails))


def _possible(problem: Problem, kept: frozenset[str]) -> bool:
    """Return whether a plan exists when only the named limits count."""
    smaller = relaxed_to(problem, kept)
    most = problem.budget if np.isfinite(problem.budget) else 0.0
    most += float(problem.lower.sum()) + sum(group.min for group in problem.groups)
    wide = smaller.changed(upper=np.minimum(smaller.upper, np.maximum(most, smaller.lower)))
    solved: CoupledSolution = solve_coupled(wide, fold(wide), _AIM)
    return solved.broken <= _BROKEN


def _finish(problem: Problem, box: Box, found: _Found) -> Solution:
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
        status="optimal" if proven else "feasible",
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
