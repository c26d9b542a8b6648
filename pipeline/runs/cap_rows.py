"""Caps as sums of lines with a least and a most, and the small linear programs over them.

Scopes may nest and cross, so whether caps can be kept together, how near to a floor a night comes,
and which amounts are nearest to those wanted are asked of one solver instead of cap by cap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.core.types import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_TINY = 1e-6  # of the wanted amounts' mean: the weight of a line that wants nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The sum of some lines, with its least and its most.

    Attributes:
        name: as people are told of it.
        side: `max`, `min` or `fixed`.
    """

    name: str
    side: str
    members: IntArray
    least: float = 0.0
    most: float = math.inf


def contradiction(rows: Sequence[Row], size: int) -> tuple[str, ...]:
    """Return the fewest rows that no amounts keep together, by name; empty where some do."""

    def can_be(kept: Sequence[Row]) -> bool:
        return _solve(np.zeros(size), kept, np.zeros(size), np.full(size, np.inf)) is not None

    if can_be(rows):
        return ()
    core = list(rows)
    for row in rows:
        fewer = [other for other in core if other is not row]
        if not can_be(fewer):
            core = fewer
    return tuple(row.name for row in core)


def reach(rows: Sequence[Row], low: FloatArray, high: FloatArray) -> tuple[float, float] | None:
    """Return the least and the most that all lines together may have; None where nothing fits."""
    ends = []
    for sign in (1.0, -1.0):
        found = _solve(np.full(low.size, sign), rows, low, high)
        if found is None:
            return None
        ends.append(sign * float(found.fun))
    return ends[0], ends[1]


def shortfalls(rows: Sequence[Row], low: FloatArray, high: FloatArray) -> FloatArray | None:
    """Return by how much each row stays below its least where that is as little as can be, in all.

    Only floors give way; None where the other rows cannot be kept either.
    """
    size = low.size
    soft = [place for place, row in enumerate(rows) if row.side == "min"]
    short = np.zeros(len(rows))
    if not soft:
        return short
    found = _solve(
        np.concatenate([np.zeros(size), np.ones(len(soft))]),
        rows,
        np.concatenate([low, np.zeros(len(soft))]),
        np.concatenate([high, np.full(len(soft), np.inf)]),
        slack={place: size + column for column, place in enumerate(soft)},
    )
    if found is None:
        return None
    short[soft] = found.x[size:]
    return short


def nearest(
    rows: Sequence[Row],
    low: FloatArray,
    high: FloatArray,
    wanted: FloatArray,
    which: BoolArray,
    *,
    both_ways: bool,
) -> FloatArray | None:
    """Return the amounts nearest to those wanted: the largest relative miss is the least possible.

    Then the next largest, and so on, so that lines under one cap give way in proportion, and no
    line gives way for a cap that does not need it.

    Args:
        which: (n_lines,), lines that want something; the others go anywhere between low and high.
        both_ways: whether more than wanted is a miss too.

    Returns:
        (n_lines,), only those of `which` mean something; None where no amounts keep the rows.
    """
    low, high, out = low.copy(), high.copy(), wanted.copy()
    weight = wanted + _TINY * max(float(wanted[which].mean()) if which.any() else 0.0, 1.0)
    open_ = which.copy()
    while open_.any():
        lines = np.flatnonzero(open_)
        found = _nearest_once(rows, low, high, wanted, weight, lines, both_ways)
        if found is None:
            return None
        miss, above = found
        tight = miss != 0.0
        if not tight.any():
            break
        out[lines[tight]] += np.where(above, 1.0, -1.0)[tight] * miss[tight]
        out = np.maximum(out, 0.0)
        stuck = lines[tight]
        open_[stuck] = False
        low[stuck] = out[stuck]
        if both_ways:
            high[stuck] = out[stuck]
    return out


def _nearest_once(
    rows: Sequence[Row],
    low: FloatArray,
    high: FloatArray,
    wanted: FloatArray,
    weight: FloatArray,
    lines: IntArray,
    both_ways: bool,
) -> tuple[FloatArray, BoolArray] | None:
    """Return how far the lines that set the largest miss are off, 0 for the rest, and which way."""
    from scipy.sparse import coo_matrix, vstack

    size, count = low.size, lines.size
    down = coo_matrix(
        (
            np.concatenate([-np.ones(count), -weight[lines]]),
            (np.tile(np.arange(count), 2), np.concatenate([lines, np.full(count, size)])),
        ),
        shape=(count, size + 1),
    )
    up = coo_matrix(
        (
            np.concatenate([np.ones(count), -weight[lines]]),
            (np.tile(np.arange(count), 2), np.concatenate([lines, np.full(count, size)])),
        ),
        shape=(count, size + 1),
    )
    found = _solve(
        np.append(np.zeros(size), 1.0),
        rows,
        np.append(low, 0.0),
        np.append(high, np.inf),
        more=(
            vstack([down, up] if both_ways else [down]).tocsr(),
            np.concatenate([-wanted[lines], wanted[lines]] if both_ways else [-wanted[lines]]),
        ),
    )
    if found is None:
        return None
    share = float(found.x[size])
    if share <= 1e-9:
        return np.zeros(count), np.zeros(count, dtype=bool)
    prices = np.abs(found.ineqlin.marginals[-count * (2 if both_ways else 1) :])
    below = prices[:count] > 1e-12
    above = prices[count:] > 1e-12 if both_ways else np.zeros(count, dtype=bool)
    return np.where(below | above, share * weight[lines], 0.0), above & ~below


def _solve(
    cost: FloatArray,
    rows: Sequence[Row],
    low: FloatArray,
    high: FloatArray,
    *,
    slack: dict[int, int] | None = None,
    more: tuple[csr_matrix, FloatArray] | None = None,
) -> Any:
    """Return the solver's answer; None where nothing keeps the rows.

    Args:
        slack: place of a row -> the column that fills up what it is below its least.
        more: further inequalities, the last ones.
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_matrix, vstack

    places: list[int] = []
    columns: list[int] = []
    values: list[float] = []
    bounds: list[float] = []
    for index, row in enumerate(rows):
        for sign, bound in ((1.0, row.most), (-1.0, -row.least)):
            if bound == math.inf or (sign < 0 and row.least <= 0):
                continue
            into = row.members.tolist()
            if sign < 0 and slack and index in slack:
                into.append(slack[index])
            columns += into
            places += [len(bounds)] * len(into)
            values += [sign] * len(into)
            bounds.append(bound)
    matrix = coo_matrix(
        (np.array(values), (np.array(places, dtype=int), np.array(columns, dtype=int))),
        shape=(len(bounds), cost.size),
    ).tocsr()
    limits = np.array(bounds, dtype=float)
    if more is not None:
        matrix, limits = vstack([matrix, more[0]]).tocsr(), np.concatenate([limits, more[1]])
    solver: Any = linprog  # its stubs know no sparse matrix
    found = solver(
        cost,
        A_ub=matrix if limits.size else None,
        b_ub=limits if limits.size else None,
        bounds=np.column_stack([low, high]),
        method="highs",
    )
    return found if found.status == 0 else None
