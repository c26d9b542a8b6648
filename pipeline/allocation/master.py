"""The master program, and what each line offers at its prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pipeline.allocation.box import Box
from pipeline.allocation.columns import (
    Columns,
    Rows,
    rail_weight,
    scale_of_money,
)
from pipeline.allocation.envelope import Envelope
from pipeline.allocation.problem import OUTCOME, SPEND, Problem
from pipeline.allocation.tabled import Tabled, knots_of, table_of
from pipeline.core.errors import ConfigError, PipelineError
from pipeline.core.types import FloatArray


@dataclass(frozen=True, slots=True)
class Round:
    """One master solution.

    Attributes:
        mix: (n_columns,), how much of each column is used; 1 a line.
        spend: (n,), the mixed spends.
        mixed_value, mixed_rails: (n,) and (n, n_rails), what the mix counts for every line; on a
            curve that is not concave more than the mixed spend earns.
        broken: by how much limits are broken, as shares of their scale.
        row_price, rail_price: of sums and of guardrails; a cap's is not negative.
        line_price: (n,), what a unit of money costs on a line under the sums.
        paid: what the limits at these prices add to a bound.
    """

    mix: FloatArray
    spend: FloatArray
    mixed_value: FloatArray
    mixed_rails: FloatArray
    broken: float
    row_price: FloatArray
    rail_price: FloatArray
    line_price: FloatArray
    paid: float


_TINY = 1e-6  # of the money: smaller rows would spoil the numbers of the others
# the later ones where numbers lie too far apart for the first, or where the simplex is at a loss
_ATTEMPTS: tuple[tuple[Literal["highs", "highs-ipm"], float], ...] = (
    ("highs", 1e-10),
    ("highs", 1e-8),
    ("highs-ipm", 1e-8),
)


def solve_master(problem: Problem, rows: Rows, columns: Columns, earns: float) -> Round | None:
    """Return the best mix of the columns; with `earns` 0, the one that breaks limits least.

    None where the columns cannot be mixed inside the limits.
    """
    from scipy.sparse import csr_matrix, hstack, identity, vstack

    count, size = columns.spend.size, problem.size
    money = scale_of_money(problem)
    worth = max(float(np.abs(columns.value).max()), 1e-300) if earns else 1.0
    pick = csr_matrix((np.ones(count), (columns.line, np.arange(count))), shape=(size, count))
    scale = _row_scale(rows, money)
    sums = _membership(rows, size, scale)[:, columns.line].multiply(columns.spend)
    caps, floors = np.isfinite(rows.most), rows.least > 0
    rail_scale = np.maximum(np.abs(columns.rails).max(axis=0, initial=0.0), np.abs(rows.thresholds))
    rail_scale = np.where(rail_scale > 0, rail_scale, 1.0)
    sums, kept = sums.tocsr(), csr_matrix(-columns.rails.T / rail_scale[:, None])
    matrix = vstack([sums[caps], -sums[floors], kept])
    width = (rows.most - rows.least) / scale
    margin = np.where(width > 4 * columns.margin, columns.margin, min(columns.margin, 0.0))
    limits = np.concatenate(
        [(rows.most / scale - margin)[caps], -(rows.least / scale + margin)[floors],
         -rows.thresholds / rail_scale - columns.margin]
    )  # fmt: skip
    cost = -columns.value / worth * earns
    if not earns:
        matrix = hstack([matrix, -identity(limits.size, format="csr")])
        cost = np.concatenate([cost, np.ones(limits.size)])
        pick = hstack([pick, csr_matrix((size, limits.size))])
    matrix = matrix.tocsr()
    if not all(np.isfinite(numbers).all() for numbers in (cost, matrix.data, limits)):
        raise ConfigError(
            "limits: money or outcomes have no end, or numbers lie too far apart to add up; "
            "give a budget or a max on every line, and units in which they are comparable"
        )
    solved = _linear_program(cost, matrix, limits, pick.tocsr())
    if solved is None:
        return None
    found, marginals = solved
    duals = np.maximum(-marginals, 0.0) * worth
    row_price = np.zeros(len(rows.names))
    row_price[caps] += duals[: caps.sum()] / scale[caps]
    row_price[floors] -= duals[caps.sum() : caps.sum() + floors.sum()] / scale[floors]
    rail_price = duals[caps.sum() + floors.sum() :] / rail_scale
    mix = np.maximum(found[:count], 0.0)
    mix /= _per_line(mix, columns, size)[columns.line]
    rails = np.zeros((size, columns.rails.shape[1]))
    for index, own in enumerate(columns.rails.T):
        rails[:, index] = _per_line(mix * own, columns, size)
    return Round(
        mix=mix,
        spend=_per_line(mix * columns.spend, columns, size),
        mixed_value=_per_line(mix * columns.value, columns, size),
        mixed_rails=rails,
        broken=float(found[count:].sum()),
        row_price=row_price,
        rail_price=rail_price,
        line_price=rows.shares(row_price),
        paid=rows.paid(row_price) - float(rail_price @ rows.thresholds),
    )


def _per_line(each: FloatArray, columns: Columns, size: int) -> FloatArray:
    return np.bincount(columns.line, each, size).astype(float)


def _row_scale(rows: Rows, money: float) -> FloatArray:
    """Return the amounts that rows are measured in: their own limits, unless these are tiny."""
    own = np.where(np.isfinite(rows.most), rows.most, rows.least)
    return np.maximum(own, _TINY * money)


def _membership(rows: Rows, size: int, scale: FloatArray) -> Any:
    """Return which lines a row sums, in units of the row's scale, as a sparse matrix."""
    from scipy.sparse import csc_matrix

    counts = [members.size for members in rows.members]
    which = np.repeat(np.arange(len(counts)), counts)
    lines = np.concatenate(rows.members)
    return csc_matrix((1 / scale[which], (which, lines)), shape=(len(counts), size))


def _linear_program(
    cost: FloatArray, matrix: Any, limits: FloatArray, pick: Any
) -> tuple[FloatArray, FloatArray] | None:
    """Return the cheapest mix with the marginals of the limits; None where none is allowed."""
    from scipy.optimize import linprog

    for method, tolerance in _ATTEMPTS:
        solved = linprog(
            cost,
            A_ub=matrix,
            b_ub=limits,
            A_eq=pick,
            b_eq=np.ones(pick.shape[0]),
            method=method,
            options={
                "primal_feasibility_tolerance": tolerance,
                "dual_feasibility_tolerance": tolerance,
            },
        )
        if solved.x is not None:
            return np.asarray(solved.x), np.asarray(solved.ineqlin.marginals)
        if solved.status == _INFEASIBLE:
            return None
    raise PipelineError(
        f"allocation: the master program failed ({solved.message}); numbers may lie too far apart"
    )


_INFEASIBLE = 2  # linprog's word for it


def best_offers(
    tabled: Tabled, box: Box, envelope: Envelope, latest: Round, earns: float
) -> tuple[FloatArray, float]:
    """Return each line's best spend at the prices, and the most that all of them earn net."""
    problem = tabled.problem
    if tabled.is_needed:
        best, earned = _tabled_offers(problem, box, latest, earns)
        return best, earned + float(tabled.left_out(latest.rail_price, earns).sum())
    weight = earns + rail_weight(problem, latest.rail_price, OUTCOME)
    price = latest.line_price - rail_weight(problem, latest.rail_price, SPEND)
    paying = weight > 0
    best, _ = envelope.demand(price / np.where(paying, weight, 1.0))
    best = np.where(paying, best, np.where(price > 0, box.low, box.high))
    net = weight * envelope.value(best) - price * best
    return best, float(net.sum())


def _tabled_offers(
    problem: Problem, box: Box, latest: Round, earns: float
) -> tuple[FloatArray, float]:
    """Return the best knots; all curves are straight between the knots they share."""
    tables = {OUTCOME: problem.curves, **problem.metrics}
    weights = {name: rail_weight(problem, latest.rail_price, name) for name in tables}
    weights[OUTCOME] += earns
    price = latest.line_price - rail_weight(problem, latest.rail_price, SPEND)
    floor = np.where((box.gate > 0) & (box.low < box.gate), box.gate, box.low)
    ends = np.stack([box.low, floor, box.high], axis=1)
    knots = knots_of(problem.curves)
    inside = (knots > floor[:, None]) & (knots < box.high[:, None])
    at_ends, at_knots = -price[:, None] * ends, -price[:, None] * knots
    for name, curves in tables.items():
        values = np.stack([curves.value(column) for column in ends.T], axis=1)
        at_ends += weights[name][:, None] * values
        at_knots += weights[name][:, None] * table_of(curves)
    net = np.concatenate([at_ends, np.where(inside, at_knots, -np.inf)], axis=1)
    rows, best = np.arange(problem.size), net.argmax(axis=1)
    return np.concatenate([ends, knots], axis=1)[rows, best], float(net[rows, best].sum())
