"""Limits that do not nest: guardrails, and groups that cut across. Column generation with HiGHS.

Every line keeps a few spends; the master program mixes them best under all limits and prices the
limits; each line then offers the spend that earns most at those prices, found exactly on its own
curve. The prices give a proven bound at every round, and where curves are concave the mixed spend
is a plan that earns at least what the master says. Lines that are not concave are branched on.

Source: Dantzig and Wolfe (1960), "Decomposition principle for linear programs"; the bound is the
Lagrangian one.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np

from pipeline.allocation.box import Box
from pipeline.allocation.columns import (
    Columns,
    Rows,
    add_columns,
    first_columns,
    limit_rows,
    prune_columns,
    rail_weight,
    scale_of_money,
)
from pipeline.allocation.master import Round, best_offers, solve_master, tabulated
from pipeline.allocation.nonconvex import split_sides
from pipeline.allocation.problem import OUTCOME, Problem
from pipeline.core.types import FloatArray

_ROUNDS = 80
_CLOSE = 5e-8  # relative gap between bound and plan at which the rounds end
_BROKEN = 1e-7  # of a row's scale, summed: more than this is a limit that cannot be met
_MET = 1e-10
_SNAP = 1e-9  # of the money
_NODES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class CoupledSolution:
    """A plan with its bound and prices; `broken` is above 0 where the limits cannot be met.

    Attributes:
        prices: derivative of the outcome in each limit, by name.
        line_price: (n,), what money costs on each line, all limits counted.
        weight: (n,), how much a unit of outcome counts with the guardrails' prices.
    """

    spend: FloatArray
    value: float
    bound: float
    broken: float
    prices: dict[str, float]
    line_price: FloatArray
    weight: FloatArray


def solve_coupled(
    problem: Problem, box: Box, tolerance: float, start: FloatArray | None = None
) -> CoupledSolution:
    """Return the best plan under all limits, with a bound.

    Args:
        tolerance: relative gap to aim for where curves are not concave.
        start: a split that may help, such as the current one.
    """
    problem = tabulated(problem, box)
    sides = split_sides(problem.curves, box)
    relaxed = _relax(problem, box, start)
    best = relaxed
    count = 0
    heap = [(-relaxed.bound, 0, box, relaxed)]
    closed = -np.inf
    best_value = _true_value(problem, box, relaxed)
    idle = replace(relaxed, spend=box.low, broken=0.0)
    if best_value == -np.inf and _is_met(problem, box.low):
        best, best_value = idle, _true_value(problem, box, idle)
    while heap:
        _, _, here, node = heapq.heappop(heap)
        if node.bound <= best_value + tolerance * max(abs(best_value), 1e-300) or count >= _NODES:
            closed = (
                max(closed, node.bound, *(-item[0] for item in heap))
                if heap
                else max(closed, node.bound)
            )
            break
        children = _children(problem, here, sides.on_low, node)
        if not children:
            closed = max(closed, node.bound)
            continue
        for child in children:
            count += 1
            solved = _relax(problem, child, node.spend)
            if solved.broken > _BROKEN:
                continue
            value = _true_value(problem, child, solved)
            if value > best_value:
                best, best_value = solved, value
            heapq.heappush(heap, (-min(solved.bound, node.bound), count, child, solved))
    bound = max(closed, best_value) if np.isfinite(best_value) else relaxed.bound
    broken = 0.0 if np.isfinite(best_value) else max(relaxed.broken, 1.0)
    return CoupledSolution(
        spend=best.spend,
        value=best_value,
        bound=bound,
        broken=broken,
        prices=best.prices,
        line_price=best.line_price,
        weight=best.weight,
    )


def _true_value(problem: Problem, box: Box, solved: CoupledSolution) -> float:
    """Return what the plan earns on the curves themselves; minus infinity if it is not allowed."""
    if solved.broken > _BROKEN or not box.holds(solved.spend, 1e-9 * scale_of_money(problem)):
        return -np.inf
    for rail in problem.guardrails:
        scale = sum(abs(w * problem.measure(q, solved.spend)) for w, q in rail.terms())
        if problem.slack(rail, solved.spend) < -1e-7 * max(scale, abs(rail.threshold)):
            return -np.inf
    return float(problem.curves.value(solved.spend).sum())


def _is_met(problem: Problem, spend: FloatArray) -> bool:
    """Return whether a split obeys the sums, rails apart."""
    rows = limit_rows(problem)
    totals = np.array([spend[members].sum() for members in rows.members])
    slack = _SNAP * scale_of_money(problem)
    return bool(((totals >= rows.least - slack) & (totals <= rows.most + slack)).all())


def _children(problem: Problem, box: Box, split: FloatArray, node: CoupledSolution) -> list[Box]:
    envelope = problem.curves.envelope(box.low, box.high, box.gate)
    gap = envelope.value(node.spend) - problem.curves.value(node.spend)
    gated = (box.gate > 0) & (node.spend > 0) & (node.spend < box.gate)
    gap = np.where(gated, np.maximum(gap, 1e-9 * abs(node.bound)), gap)
    line = int(np.argmax(gap))
    if gap[line] <= 1e-12 * abs(node.bound):
        return []
    if gated[line]:
        return [_cut(box, line, high=0.0), _cut(box, line, low=float(box.gate[line]))]
    at = float(split[line])
    if not box.low[line] < at < box.high[line]:
        at = float(node.spend[line])
    if not box.low[line] < at < box.high[line]:
        return []
    return [_cut(box, line, high=at), _cut(box, line, low=at)]


def _cut(box: Box, line: int, low: float | None = None, high: float | None = None) -> Box:
    lows, highs, gates = box.low.copy(), box.high.copy(), box.gate.copy()
    if low is not None:
        lows[line], gates[line] = low, 0.0
    if high is not None:
        highs[line] = high
        gates[line] = 0.0 if high == 0 else gates[line]
    return Box(lows, highs, gates)


def _relax(problem: Problem, box: Box, start: FloatArray | None) -> CoupledSolution:
    """Return the best mix on the box: first the limits are met, then the outcome raised."""
    rows = limit_rows(problem)
    columns = first_columns(problem, box, start)
    met = _rounds(problem, box, rows, columns, earns=0.0)
    if met.latest.broken > _MET:
        columns.margin, columns.rounds = 0.0, 0
        met = _rounds(problem, box, rows, columns, earns=0.0)
    possible = met.latest.broken <= _BROKEN
    found = _rounds(problem, box, rows, columns, earns=1.0) if possible else met
    latest = found.latest
    prices = dict(zip(rows.names, latest.row_price.tolist(), strict=True))
    for index, rail in enumerate(problem.guardrails):
        prices[rail.id] = _rail_price(problem, index, latest)
    return CoupledSolution(
        spend=_snapped(latest.spend, box, _SNAP * scale_of_money(problem)),
        value=found.value,
        bound=max(found.bound, found.value),
        broken=met.latest.broken,
        prices=prices,
        line_price=latest.line_price,
        weight=1.0 + rail_weight(problem, latest.rail_price, OUTCOME),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    latest: Round
    value: float
    bound: float


def _rounds(problem: Problem, box: Box, rows: Rows, columns: Columns, earns: float) -> _Found:
    """Return what rounds of mixing and offering end with.

    Args:
        earns: 1 to raise the outcome inside the limits, 0 only to meet them.
    """
    envelope = problem.curves.envelope(box.low, box.high, box.gate)
    bound = np.inf
    while True:
        latest = solve_master(problem, rows, columns, earns)
        offers, earned = best_offers(problem, box, latest, earns)
        bound = min(bound, earned + latest.paid)
        value = float(envelope.value(latest.spend).sum()) if earns else -latest.broken
        if earns:
            ended = bound - value <= _CLOSE * max(abs(bound), abs(value), 1e-300)
        else:
            ended = latest.broken <= _MET or bound < -_BROKEN
        columns.rounds += 1
        if (
            ended
            or columns.rounds >= _ROUNDS
            or not add_columns(problem, columns, offers, latest.spend)
        ):
            return _Found(latest, value, bound)
        if earns:
            prune_columns(columns, latest.spend)


def _snapped(spend: FloatArray, box: Box, near: float) -> FloatArray:
    """Return the spends with those that only rounding keeps from a bound put on it."""
    spend = np.where(spend - box.low <= near, box.low, spend)
    return np.where(box.high - spend <= near, box.high, np.clip(spend, box.low, box.high))


def _rail_price(problem: Problem, index: int, latest: Round) -> float:
    """Return d outcome / d limit: the row's price times how the row moves with its limit."""
    rail = problem.guardrails[index]
    per = 1.0 if rail.per is None else problem.measure(rail.per, latest.spend)
    return -float(latest.rail_price[index]) * rail.sign * per
