"""The master program, and what each line offers at its prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.allocation.box import Box
from pipeline.allocation.columns import (
    Columns,
    Rows,
    rail_terms,
    rail_weight,
    scale_of_money,
)
from pipeline.allocation.curves import Curves
from pipeline.allocation.problem import OUTCOME, SPEND, Problem
from pipeline.allocation.tables import Piecewise
from pipeline.core.errors import ConfigError, PipelineError
from pipeline.core.types import FloatArray

_KNOTS = 257


@dataclass(frozen=True, slots=True)
class Round:
    """One master solution."""

    spend: FloatArray
    broken: float
    line_price: FloatArray
    rail_price: FloatArray
    row_price: FloatArray
    paid: float


def solve_master(problem: Problem, rows: Rows, columns: Columns, earns: float) -> Round:
    """Return the best mix of the columns; with `earns` 0, the one that breaks limits least."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix, hstack, identity, vstack

    count, size = columns.spend.size, problem.size
    money = scale_of_money(problem)
    worth = max(float(np.abs(columns.value).max()), 1e-300) if earns else 1.0
    index = np.arange(count)
    pick = csr_matrix((np.ones(count), (columns.line, index)), shape=(size, count))
    blocks, limits = [], []
    for members, least, most in zip(rows.members, rows.least, rows.most, strict=True):
        inside = np.zeros(size)
        inside[members] = 1.0
        row = csr_matrix((inside[columns.line] * columns.spend / money)[None, :])
        blocks += [row, -row]
        limits += [most / money, -least / money]
    rail_scale = np.maximum(np.abs(columns.rails).max(axis=0, initial=0.0), np.abs(rows.thresholds))
    rail_scale = np.where(rail_scale > 0, rail_scale, 1.0)
    for rail in range(columns.rails.shape[1]):
        blocks.append(csr_matrix((-columns.rails[:, rail] / rail_scale[rail])[None, :]))
        limits.append(-rows.thresholds[rail] / rail_scale[rail] - columns.margin)
    kept = np.flatnonzero(np.isfinite(limits))
    upper = vstack([blocks[i] for i in kept]).tocsr()
    escape = identity(kept.size, format="csr")
    cost = np.concatenate([-columns.value / worth * earns, np.ones(kept.size) * (1 - earns)])
    most = np.concatenate([np.full(count, np.inf), np.full(kept.size, 0.0 if earns else np.inf)])
    if not np.isfinite(cost).all():
        raise ConfigError(
            "limits: money or outcomes have no end, or numbers lie too far apart to add up; "
            "give a budget or a max on every line, and units in which they are comparable"
        )
    solved = linprog(  # type: ignore[call-overload]  # the stubs know no sparse matrices
        cost,
        A_ub=hstack([upper, -escape]).tocsr(),
        b_ub=np.array(limits)[kept],
        A_eq=hstack([pick, csr_matrix((size, kept.size))]).tocsr(),
        b_eq=np.ones(size),
        bounds=np.column_stack([np.zeros(most.size), most]),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if solved.x is None:
        raise PipelineError(f"allocation: the master program failed: {solved.message}")
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
    return Round(
        spend=np.bincount(columns.line, mix * columns.spend, size)
        / np.bincount(columns.line, mix, size),
        broken=float(solved.x[count:].sum()),
        line_price=line_price,
        rail_price=rail_price,
        row_price=row_price,
        paid=paid,
    )


def best_offers(
    problem: Problem, box: Box, latest: Round, earns: float
) -> tuple[FloatArray, float]:
    """Return each line's best spend at the prices, and what all of them earn net."""
    if needs_tables(problem):
        return _tabled_offers(problem, box, latest, earns)
    weight = earns + rail_weight(problem, latest.rail_price, OUTCOME)
    price = latest.line_price - rail_weight(problem, latest.rail_price, SPEND)
    envelope = problem.curves.envelope(box.low, box.high, box.gate)
    paying = weight > 0
    best, _ = envelope.demand(price / np.where(paying, weight, 1.0))
    best = np.where(paying, best, np.where(price > 0, box.low, box.high))
    net = weight * envelope.value(best) - price * best
    return best, float(net.sum())


def _tabled_offers(
    problem: Problem, box: Box, latest: Round, earns: float
) -> tuple[FloatArray, float]:
    """Return the best knots; all curves are straight between the knots they share."""
    knots = _knots_of(problem.curves)
    inner = np.clip(knots, box.low[:, None], box.high[:, None])
    floor = np.where((box.gate > 0) & (box.low < box.gate), box.gate, box.low)
    inner = np.where(inner < floor[:, None], floor[:, None], inner)
    inner = np.concatenate([box.low[:, None], floor[:, None], inner, box.high[:, None]], axis=1)
    net = np.empty_like(inner)
    for column in range(inner.shape[1]):
        spend = inner[:, column]
        rails = rail_terms(problem, spend) @ latest.rail_price
        net[:, column] = earns * problem.curves.value(spend) + rails
        net[:, column] -= latest.line_price * spend
    rows, best = np.arange(problem.size), net.argmax(axis=1)
    return inner[rows, best], float(net[rows, best].sum())


def needs_tables(problem: Problem) -> bool:
    """Return whether a guardrail asks for less outcome, or counts another metric."""
    for rail in problem.guardrails:
        for weight, part in rail.terms():
            if part.metric not in (SPEND, OUTCOME) or (part.metric == OUTCOME and weight < 0):
                return True
    return False


def _knots_of(curves: Curves) -> FloatArray:
    family = curves.families[0]
    return family.knots if isinstance(family, Piecewise) else np.zeros((curves.size, 0))


def tabulated(problem: Problem, box: Box) -> Problem:
    """Return the problem with all curves straight between shared knots, where that is needed."""
    if not needs_tables(problem):
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
