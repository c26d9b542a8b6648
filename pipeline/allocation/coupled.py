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
from dataclasses import dataclass, field

import numpy as np

from pipeline.allocation.box import Box
from pipeline.allocation.curves import Curves
from pipeline.allocation.nonconvex import split_sides
from pipeline.allocation.problem import BUDGET, OUTCOME, SPEND, Problem
from pipeline.allocation.tables import Piecewise
from pipeline.core.types import FloatArray, IntArray

_ROUNDS = 80
_CLOSE = 5e-8  # relative gap between bound and plan at which the rounds end
_PENALTY = 1e3  # of the steepest return, for leaving a limit broken
_BROKEN = 1e-7
_KNOTS = 257
_AROUND = (0.8, 0.9, 0.97, 1.0, 1.03, 1.1, 1.25)
_KEPT = 3  # columns on each side of a line's spend that outlive a round, and the outermost one
_SAME = 1e-13  # of a line's most spend: offers closer than this are one
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


@dataclass(slots=True)
class _Columns:
    """The spends on offer: which line, how much, and what each adds to every row."""

    line: IntArray
    spend: FloatArray
    value: FloatArray
    rails: FloatArray
    unit: FloatArray
    seen: set[tuple[int, float]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The limits as rows: sums of spend inside two numbers, and rails above one."""

    names: tuple[str, ...]
    members: tuple[IntArray, ...]
    least: FloatArray
    most: FloatArray
    rail_names: tuple[str, ...]
    thresholds: FloatArray


@dataclass(frozen=True, slots=True)
class _Round:
    """One master solution."""

    spend: FloatArray
    broken: float
    line_price: FloatArray
    rail_price: FloatArray
    row_price: FloatArray
    paid: float


def solve_coupled(
    problem: Problem, box: Box, tolerance: float, start: FloatArray | None = None
) -> CoupledSolution:
    """Return the best plan under all limits, with a bound.

    Args:
        tolerance: relative gap to aim for where curves are not concave.
        start: a split that may help, such as the current one.
    """
    problem = _tabulated(problem, box)
    sides = split_sides(problem.curves, box)
    relaxed = _relax(problem, box, start)
    best = relaxed
    count = 0
    heap = [(-relaxed.bound, 0, box, relaxed)]
    closed = -np.inf
    best_value = _true_value(problem, box, relaxed)
    while heap:
        _, _, here, node = heapq.heappop(heap)
        if node.bound <= best_value + tolerance * max(abs(best_value), 1e-300) or count >= _NODES:
            closed = max(closed, node.bound, *(-item[0] for item in heap)) if heap else max(
                closed, node.bound
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
    broken = relaxed.broken if np.isfinite(best_value) or relaxed.broken > _BROKEN else 1.0
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
    if solved.broken > _BROKEN or not box.holds(solved.spend, 1e-9 * _money(problem)):
        return -np.inf
    for rail in problem.guardrails:
        scale = sum(abs(w * problem.measure(q, solved.spend)) for w, q in rail.terms())
        if problem.slack(rail, solved.spend) < -1e-7 * max(scale, abs(rail.threshold)):
            return -np.inf
    return float(problem.curves.value(solved.spend).sum())


def _children(
    problem: Problem, box: Box, split: FloatArray, node: CoupledSolution
) -> list[Box]:
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
    rows = _rows(problem)
    columns = _first_columns(problem, box, start)
    bound, latest, value = np.inf, None, -np.inf
    envelope = problem.curves.envelope(box.low, box.high, box.gate)
    for _ in range(_ROUNDS):
        latest = _master(problem, rows, columns)
        offers, earned = _offers(problem, box, latest)
        bound = min(bound, earned + latest.paid)
        value = float(envelope.value(latest.spend).sum())
        small = bound - value <= _CLOSE * max(abs(bound), abs(value), 1e-300)
        new = _add(problem, columns, offers, latest.spend)
        if (small and latest.broken <= _BROKEN) or not new:
            break
        _prune(columns, latest.spend)
    if latest is None:
        raise AssertionError("at least one round")
    weight = _outcome_weight(problem, latest.rail_price)
    prices = dict(zip(rows.names, latest.row_price.tolist(), strict=True))
    for index, rail in enumerate(problem.guardrails):
        prices[rail.id] = _rail_price(problem, index, latest)
    return CoupledSolution(
        spend=np.clip(latest.spend, box.low, box.high),
        value=value,
        bound=max(bound, value),
        broken=latest.broken,
        prices=prices,
        line_price=latest.line_price,
        weight=weight,
    )


def _rail_price(problem: Problem, index: int, latest: _Round) -> float:
    """Return d outcome / d limit: the row's price times how the row moves with its limit."""
    rail = problem.guardrails[index]
    per = 1.0 if rail.per is None else problem.measure(rail.per, latest.spend)
    return -float(latest.rail_price[index]) * rail.sign * per


def _rows(problem: Problem) -> _Rows:
    everyone = np.arange(problem.size)
    names, members = [BUDGET], [everyone]
    least = [problem.budget if problem.exactly else 0.0]
    most = [problem.budget]
    for group in problem.groups:
        names.append(group.id)
        members.append(group.members)
        least.append(group.min)
        most.append(group.max)
    constants = [
        rail.threshold - sum(weight * part.constant for weight, part in rail.terms())
        for rail in problem.guardrails
    ]
    return _Rows(
        tuple(names),
        tuple(members),
        np.array(least),
        np.array(most),
        tuple(rail.id for rail in problem.guardrails),
        np.array(constants, dtype=float),
    )


def _first_columns(problem: Problem, box: Box, start: FloatArray | None) -> _Columns:
    columns = _Columns(
        np.zeros(0, dtype=np.int64),
        np.zeros(0),
        np.zeros(0),
        np.zeros((0, len(problem.guardrails))),
        np.where(np.isfinite(box.high) & (box.high > 0), box.high, 1.0) * _SAME,
    )
    floor = np.where((box.gate > 0) & (box.low < box.gate), box.gate, box.low)
    top = np.where(np.isfinite(box.high), box.high, floor + 1.0)
    offers = [box.low, *(floor + share * (top - floor) for share in np.linspace(0, 1, 5))]
    if start is not None:
        offers += [np.clip(scale * start, box.low, box.high) for scale in _AROUND]
    for offer in offers:
        gated = (offer > box.low) & (offer < box.gate)
        _add(problem, columns, np.where(gated, box.low, offer), None)
    return columns


def _add(
    problem: Problem, columns: _Columns, offers: FloatArray, also: FloatArray | None
) -> bool:
    """Add the offered spends that are new; return whether any was."""
    added = False
    for spends in (offers,) if also is None or problem.gate is not None else (offers, also):
        keys = list(enumerate(np.round(spends / columns.unit).tolist()))
        fresh = np.array([key not in columns.seen for key in keys])
        chosen = np.flatnonzero(fresh)
        if not chosen.size:
            continue
        columns.seen.update(keys[line] for line in chosen.tolist())
        columns.line = np.concatenate([columns.line, chosen])
        columns.spend = np.concatenate([columns.spend, spends[chosen]])
        values = problem.curves.value(spends)
        columns.value = np.concatenate([columns.value, values[chosen]])
        columns.rails = np.concatenate([columns.rails, _rail_terms(problem, spends)[chosen]])
        added = True
    return added


def _prune(columns: _Columns, spend: FloatArray) -> None:
    """Drop the columns that are far from what the line is given; a useful one is offered again."""
    rest = columns.spend - spend[columns.line]
    keep = np.zeros(rest.size, dtype=bool)
    for side in (rest >= 0, rest <= 0):
        chosen = np.flatnonzero(side)
        order = chosen[np.lexsort((np.abs(rest[chosen]), columns.line[chosen]))]
        lines = columns.line[order]
        first = np.searchsorted(lines, lines)
        rank = np.arange(order.size) - first
        last = np.append(lines[1:] != lines[:-1], True)[: order.size]
        keep[order[(rank < _KEPT) | last]] = True
    columns.line, columns.spend = columns.line[keep], columns.spend[keep]
    columns.value, columns.rails = columns.value[keep], columns.rails[keep]
    kept = zip(
        columns.line.tolist(),
        np.round(columns.spend / columns.unit[columns.line]).tolist(),
        strict=True,
    )
    columns.seen = set(kept)


def _rail_terms(problem: Problem, spend: FloatArray) -> FloatArray:
    """Return what each line adds to each guardrail's row, (n_lines, n_rails)."""
    out = np.zeros((problem.size, len(problem.guardrails)))
    for index, rail in enumerate(problem.guardrails):
        for weight, part in rail.terms():
            each = weight * problem.per_line(part.metric, spend)
            inside = slice(None) if part.members is None else part.members
            out[inside, index] += each[inside]
    return out


def _master(problem: Problem, rows: _Rows, columns: _Columns) -> _Round:
    """Return the best mix of the columns, with a penalised escape from every coupling row."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, hstack, identity, vstack

    count, size = columns.spend.size, problem.size
    money = _money(problem)
    worth = max(float(np.abs(columns.value).max()), 1e-300)
    index = np.arange(count)
    pick = csr_matrix((np.ones(count), (columns.line, index)), shape=(size, count))
    blocks, limits = [], []
    for members, least, most in zip(rows.members, rows.least, rows.most, strict=True):
        inside = np.zeros(size)
        inside[members] = 1.0
        row = csr_matrix((inside[columns.line] * columns.spend / money)[None, :])
        blocks += [row, -row]
        limits += [most / money, -least / money]
    rail_scale = np.maximum(np.abs(columns.rails).max(axis=0, initial=0.0), 1e-300)
    for rail in range(columns.rails.shape[1]):
        blocks.append(csr_matrix((-columns.rails[:, rail] / rail_scale[rail])[None, :]))
        limits.append(-rows.thresholds[rail] / rail_scale[rail])
    kept = np.flatnonzero(np.isfinite(limits))
    upper = vstack([blocks[i] for i in kept]).tocsr()
    escape = identity(kept.size, format="csr")
    cost = np.concatenate([-columns.value / worth, np.full(kept.size, _PENALTY * size)])
    solved = linprog(
        cost,
        A_ub=hstack([upper, -escape]).tocsr(),
        b_ub=np.array(limits)[kept],
        A_eq=hstack([pick, csr_matrix((size, kept.size))]).tocsr(),
        b_eq=np.ones(size),
        bounds=(0, None),
        method="highs",
    )
    duals = np.zeros(len(limits))
    duals[kept] = np.maximum(-np.asarray(solved.ineqlin.marginals), 0.0) * worth
    row_count = 2 * len(rows.names)
    row_price = (duals[0:row_count:2] - duals[1:row_count:2]) / money
    rail_price = duals[row_count:] / rail_scale
    mix = np.maximum(solved.x[:count], 0.0)
    line_price = np.zeros(size)
    for members, price in zip(rows.members, row_price, strict=True):
        line_price[members] += price
    # a row's own part of the dual; unlimited sides have no price
    ends = np.array([limits[i] if i in set(kept.tolist()) else 0.0 for i in range(len(limits))])
    paid = float(duals[:row_count] @ ends[:row_count])
    paid -= float(rail_price @ rows.thresholds) if rail_price.size else 0.0
    return _Round(
        spend=np.bincount(columns.line, mix * columns.spend, size)
        / np.bincount(columns.line, mix, size),
        broken=float(solved.x[count:].sum()),
        line_price=line_price,
        rail_price=rail_price,
        row_price=row_price,
        paid=paid,
    )


def _offers(problem: Problem, box: Box, latest: _Round) -> tuple[FloatArray, float]:
    """Return each line's best spend at the prices, and what all of them earn net."""
    weight = _outcome_weight(problem, latest.rail_price)
    if not _needs_tables(problem):
        price = latest.line_price - _spend_weight(problem, latest.rail_price)
        envelope = problem.curves.envelope(box.low, box.high, box.gate)
        best, _ = envelope.demand(price / weight)
        net = weight * envelope.value(best) - price * best
        return best, float(net.sum())
    return _tabled_offers(problem, box, latest)


def _tabled_offers(problem: Problem, box: Box, latest: _Round) -> tuple[FloatArray, float]:
    """Return the best knots; all curves are straight between the knots they share."""
    knots = _knots_of(problem.curves)
    inner = np.clip(knots, box.low[:, None], box.high[:, None])
    floor = np.where((box.gate > 0) & (box.low < box.gate), box.gate, box.low)
    inner = np.where(inner < floor[:, None], floor[:, None], inner)
    inner = np.concatenate([box.low[:, None], floor[:, None], inner, box.high[:, None]], axis=1)
    net = np.empty_like(inner)
    for column in range(inner.shape[1]):
        spend = inner[:, column]
        rails = _rail_terms(problem, spend) @ latest.rail_price
        net[:, column] = problem.curves.value(spend) + rails
        net[:, column] -= latest.line_price * spend
    rows, best = np.arange(problem.size), net.argmax(axis=1)
    return inner[rows, best], float(net[rows, best].sum())


def _outcome_weight(problem: Problem, rail_price: FloatArray) -> FloatArray:
    return 1.0 + _weight(problem, rail_price, OUTCOME)


def _spend_weight(problem: Problem, rail_price: FloatArray) -> FloatArray:
    return _weight(problem, rail_price, SPEND)


def _weight(problem: Problem, rail_price: FloatArray, metric: str) -> FloatArray:
    out = np.zeros(problem.size)
    for price, rail in zip(rail_price.tolist(), problem.guardrails, strict=True):
        for weight, part in rail.terms():
            if part.metric == metric:
                out[slice(None) if part.members is None else part.members] += price * weight
    return out


def _money(problem: Problem) -> float:
    if np.isfinite(problem.budget) and problem.budget > 0:
        return problem.budget
    finite = problem.upper[np.isfinite(problem.upper)]
    return float(finite.sum()) or 1.0


def _needs_tables(problem: Problem) -> bool:
    """Return whether a guardrail asks for less outcome, or counts another metric."""
    for rail in problem.guardrails:
        for weight, part in rail.terms():
            if part.metric not in (SPEND, OUTCOME) or (part.metric == OUTCOME and weight < 0):
                return True
    return False


def _knots_of(curves: Curves) -> FloatArray:
    family = curves.families[0]
    return family.knots if isinstance(family, Piecewise) else np.zeros((curves.size, 0))


def _tabulated(problem: Problem, box: Box) -> Problem:
    """Return the problem with all curves straight between shared knots, where that is needed."""
    if not _needs_tables(problem):
        return problem.changed(metrics={})
    every = [problem.curves, *problem.metrics.values()]
    same = all(
        len(curves.families) == 1 and isinstance(curves.families[0], Piecewise) for curves in every
    )
    if same and all(np.array_equal(_knots_of(c), _knots_of(every[0])) for c in every):
        return problem
    floor = np.where(box.gate > 0, box.gate, box.low)
    share = np.linspace(0, 1, _KNOTS)[None, :] ** 2
    knots = floor[:, None] + share * np.maximum(box.high - floor, 1e-12)[:, None]

    def tabled(curves: Curves) -> Curves:
        values = np.stack([curves.value(column) for column in knots.T], axis=1)
        return Curves.from_knots(knots, values, smooth=False)

    return problem.changed(
        curves=tabled(problem.curves),
        metrics={name: tabled(curves) for name, curves in problem.metrics.items()},
    )
