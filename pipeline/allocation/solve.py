"""From a problem to the plan that earns most, with a proof and the price of every limit."""

from __future__ import annotations

from dataclasses import dataclass

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
from pipeline.allocation.prices import nested_prices
from pipeline.allocation.problem import Problem
from pipeline.allocation.solution import Solution, names_of_limits, relative_gap, status_of
from pipeline.allocation.tabled import needs_tables
from pipeline.allocation.tree import Sets, Tree, plant
from pipeline.allocation.work import Work
from pipeline.core.errors import ConfigError, InfeasibleError, UndecidedError
from pipeline.core.types import FloatArray

PROVEN = 1e-6
"""Relative gap at which a split is called optimal when curves are concave."""
CERTIFIED = 1e-3
"""Relative gap at which it is when they are not."""
_CONFLICT_UNITS = 20_000.0  # of work for each question whether some limits contradict each other
_AS_NOTHING = 1e-6  # of what the money could earn without the limits that do not nest


@dataclass(frozen=True, slots=True)
class _Found:
    """What any of the solvers hands over; the value is minus infinity if the box forbids it.

    Where a price or weight is the same for all lines, it may be given once.
    """

    spend: FloatArray
    value: float
    bound: float
    limit_price: FloatArray
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
    sets = Sets.of(problem.groups)
    tree, crossing = _tree(problem, sets)
    check_nested(problem, tree)
    box = fold(problem, sets)
    is_plain = problem.gate is None and box.low is problem.lower  # then it can take no less
    if not is_plain and not is_reachable(tree, box):
        raise _contradiction(problem, work)
    bounded = _is_bounded(problem, box)
    if not bounded and not problem.guardrails:
        line = problem.ids[int(np.argmax(box.high))]
        raise ConfigError(
            f"line {line!r}: nothing limits its spend; give it a max, or give a budget"
        )
    found = _nested(problem, box, tree, start_price, work) if bounded else None
    legal = found is not None and found.value > -np.inf
    least = 0.0 if found is None else _AS_NOTHING * abs(found.bound)
    if found is None or not legal or not _is_whole(problem, crossing, found.spend):
        found = _coupled(problem, box, tree, found, work, least, explain=explain)
    return _finish(problem, box, found, work, least)


def _is_bounded(problem: Problem, box: Box) -> bool:
    return bool(np.isfinite(problem.budget) or np.isfinite(box.high).all())


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


def _tree(problem: Problem, sets: Sets) -> tuple[Tree, tuple[int, ...]]:
    least = problem.budget if problem.exactly else 0.0
    return plant(problem.size, (least, problem.budget), sets)


def _keeps(problem: Problem, groups: tuple[int, ...], spend: FloatArray) -> bool:
    """Return whether a split keeps the guardrails and the chosen groups."""
    if not groups and not problem.guardrails:
        return True
    slack = 1e-9 * max(float(spend.sum()), 1e-300)
    for index in groups:
        group = problem.groups[index]
        total = float(spend[group.members].sum())
        if not group.min - slack <= total <= group.max + slack:
            return False
    return not problem.broken(spend)


def _is_whole(problem: Problem, crossing: tuple[int, ...], spend: FloatArray) -> bool:
    """Return whether a split under the limits that nest is the answer under all of them.

    A crossing group that is full may hold lines by their boxes, which are cut to it, and then has
    a price that the limits that nest do not show.
    """
    slack = 1e-9 * max(float(spend.sum()), 1e-300)
    for group in (problem.groups[index] for index in crossing):
        total = float(spend[group.members].sum())
        if total >= group.max - slack or (group.min > 0 and total <= group.min + slack):
            return False
    return _keeps(problem, crossing, spend)


def _nested(
    problem: Problem,
    box: Box,
    tree: Tree,
    start: float | None,
    work: Work,
) -> _Found:
    """Return the best plan under the limits that nest; the others may be broken by it."""
    solved = solve_nested(problem.curves, box, tree, work, start=start)
    prices = nested_prices(problem, box, tree, solved)
    if problem.guardrails:
        prices = np.concatenate([prices, np.zeros(len(problem.guardrails))])
    return _Found(
        solved.spend,
        solved.value,
        solved.bound,
        prices,
        solved.prices if tree.size == 1 else solved.prices[tree.home],
        np.ones(1),
    )


def _coupled(
    problem: Problem,
    box: Box,
    tree: Tree,
    relaxed: _Found | None,
    work: Work,
    least: float,
    *,
    explain: bool,
) -> _Found:
    solved = solve_coupled(
        problem,
        box,
        tree,
        lambda spend: is_allowed(problem, spend),
        work,
        tolerance=AIM,
        least=least,
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
    earned = legal_value(problem.curves, box, spend)
    named = [solved.prices.get(name, 0.0) for name in names_of_limits(problem)]
    return _Found(spend, earned, bound, np.array(named), solved.line_price, solved.weight)


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
    sets = Sets.of(wide.groups)
    tree, _ = _tree(wide, sets)
    solved: CoupledSolution = solve_coupled(
        wide,
        fold(wide, sets),
        tree,
        lambda spend: is_allowed(wide, spend),
        Work(units=_CONFLICT_UNITS),
        tolerance=AIM,
        any_plan=True,
    )
    return solved.spend is not None or solved.bound > -np.inf


def _finish(problem: Problem, box: Box, found: _Found, work: Work, least: float) -> Solution:
    spend, earned = found.spend, found.value
    current = problem.current
    if current is not None and is_allowed(problem, current):
        kept = float(problem.curves.value(current).sum())
        if kept > earned:
            spend, earned = current.copy(), kept
    bound = max(found.bound, earned)
    gap = relative_gap(earned, bound, least)
    proven = gap <= PROVEN or (gap <= CERTIFIED and not _is_concave(problem, box))
    return Solution(
        problem=problem,
        status=status_of(proven, work),
        spend=spend,
        objective=earned,
        upper_bound=bound,
        gap=gap,
        limit_price=found.limit_price,
        line_price=found.line_price,
        weight=found.weight,
        curves=problem.curves,
        least=least,
    )


def _is_concave(problem: Problem, box: Box) -> bool:
    """Return whether every curve and limit is concave where the plan may go."""
    if needs_tables(problem) or not _is_bounded(problem, box):
        return False
    sides = split_sides(problem.curves, box)
    straight = problem.curves.inflection() > box.low
    return bool(np.isnan(sides.off_low).all() and not straight.any())
