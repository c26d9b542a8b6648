"""Any limits, on concave curves: rounds of mixing spends on offer and pricing the limits.

Every line keeps a few spends; the master program mixes them best under all limits and prices the
limits; each line then offers the spend that earns most at those prices, found exactly on its own
curve. The prices give a proven bound at every round, and where curves are concave the mixed spend
is a plan that earns at least what the master says.

Source: Dantzig and Wolfe (1960), "Decomposition principle for linear programs"; the bound is the
Lagrangian one.
"""

from __future__ import annotations

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
from pipeline.allocation.master import Round, best_offers, solve_master
from pipeline.allocation.problem import SPEND, Problem
from pipeline.allocation.tabled import Tabled
from pipeline.allocation.work import Work
from pipeline.core.types import FloatArray

CLOSE = 5e-8
"""Relative gap between bound and mix at which a final plan's rounds end."""
ROUGH = 1e-5
"""The same where the rounds only choose a side or prune a branch."""
_ROUNDS = 80
_ROUND = 40  # lines whose pricing takes as long as the making of a linear program
_BROKEN = 1e-9  # of a row's scale, summed: more than this is a limit that cannot be met
_MET = 1e-10
_SNAP = 1e-9  # of a line's most spend


@dataclass(frozen=True, slots=True)
class Master:
    """A problem made ready to be mixed: curves that all limits can be read on, limits as rows."""

    tabled: Tabled
    rows: Rows
    money: float

    @classmethod
    def of(cls, problem: Problem, box: Box) -> Master:
        """Return the master of a problem."""
        tabled = Tabled.of(problem, box)
        return cls(tabled, limit_rows(tabled.problem), scale_of_money(tabled.problem))

    @property
    def problem(self) -> Problem:
        """The problem as its limits can be read."""
        return self.tabled.problem


@dataclass(frozen=True, slots=True)
class Relaxed:
    """The best mix on a box.

    Attributes:
        spend: (n,), the mixed spends.
        bound: no plan inside the box earns more.
        latest: the last round, with the prices.
        columns: the spends on offer at the end.
    """

    spend: FloatArray
    bound: float
    latest: Round
    columns: Columns

    def line_price(self, problem: Problem) -> FloatArray:
        """Return what money costs on each line, net of what it does for guardrails by itself."""
        rail_price, out = self.latest.rail_price, self.latest.line_price.copy()
        out -= rail_weight(problem, rail_price, SPEND)
        for name, curves in problem.metrics.items():
            if (weight := rail_weight(problem, rail_price, name)).any():
                counts = weight != 0  # a marginal return may have no end
                out[counts] -= weight[counts] * curves.marginal(self.spend)[counts]
        return out


def relax(
    master: Master,
    box: Box,
    work: Work,
    *,
    columns: Columns | None = None,
    start: FloatArray | None = None,
    close: float = CLOSE,
    enough: float = -np.inf,
) -> Relaxed | None:
    """Return the best mix on the box; None where the limits cannot be met even by a mix.

    Args:
        columns: spends of a larger box to begin with.
        start: a split that may be near, for a beginning without columns.
        close: relative gap between bound and mix at which to stop.
        enough: a bound that is low enough to stop.
    """
    problem, rows = master.problem, master.rows
    offers = first_columns(problem, box, start) if columns is None else columns.inside(box)
    if columns is not None:
        add_columns(problem, offers, box.low, box.high)
    found = _rounds(master, box, offers, work, close, enough)
    if found is None:
        if not _meet(master, box, offers, work):
            return None
        found = _rounds(master, box, offers, work, close, enough)
        if found is None:  # met by a hair: without the margin that keeps rounding off
            offers.margin = 0.0
            found = _rounds(master, box, offers, work, close, enough)
    if found is None:
        return None
    latest, bound = found
    near = _SNAP * np.where(np.isfinite(box.high), box.high, 0.0)
    snapped = np.where(latest.spend - box.low <= near, box.low, latest.spend)
    snapped = np.where(box.high - snapped <= near, box.high, np.clip(snapped, box.low, box.high))
    kept = rows.sums(snapped)
    slack = _SNAP * np.abs(kept)
    is_kept = ((kept >= rows.least - slack) & (kept <= rows.most + slack)).all()
    return Relaxed(snapped if is_kept else latest.spend, bound, latest, offers)


def _rounds(
    master: Master, box: Box, columns: Columns, work: Work, close: float, enough: float
) -> tuple[Round, float] | None:
    """Return what rounds of mixing and offering end with; None where nothing can be mixed."""
    problem = master.problem
    envelope = problem.curves.envelope(box.low, box.high, box.gate)
    bound, best, sharpest = np.inf, None, None
    for _ in range(_ROUNDS):
        latest = solve_master(problem, master.rows, columns, 1.0)
        work.spend(_ROUND + problem.size)
        if latest is None:
            break
        best = latest
        offers, earned = best_offers(master.tabled, box, envelope, latest, 1.0)
        if sharpest is None or earned + latest.paid < bound:
            bound, sharpest = earned + latest.paid, latest
        # where guardrails see concave outcomes only, the mixed spends earn more than the mix
        mixed = latest.mixed_value if master.tabled.is_needed else envelope.value(latest.spend)
        value = float(mixed.sum())
        if bound - value <= close * max(abs(bound), abs(value), 1e-300) or bound <= enough:
            break
        middle = () if problem.gate is not None else (latest.spend,)
        prune_columns(columns, latest.spend, latest.mix)
        if work.is_stopped or not add_columns(problem, columns, offers, *middle):
            break
    if best is None or sharpest is None:
        return None
    # where a mix is a corner its own prices may be any of many: those that prove the bound count
    priced = replace(
        best,
        row_price=sharpest.row_price,
        rail_price=sharpest.rail_price,
        line_price=sharpest.line_price,
        paid=sharpest.paid,
    )
    return priced, bound


def _meet(master: Master, box: Box, columns: Columns, work: Work) -> bool:
    """Return whether a mix meets the limits, adding the columns that it takes."""
    problem = master.problem
    envelope = problem.curves.envelope(box.low, box.high, box.gate)
    bound = broken = np.inf
    for margin in (columns.margin, 0.0):
        columns.margin = margin
        for _ in range(_ROUNDS):
            latest = solve_master(problem, master.rows, columns, 0.0)
            work.spend(_ROUND + problem.size)
            if latest is None:
                break
            broken = latest.broken
            offers, earned = best_offers(master.tabled, box, envelope, latest, 0.0)
            bound = min(bound, earned + latest.paid)
            middle = () if problem.gate is not None else (latest.spend,)
            if broken <= _MET or bound < -_BROKEN:
                break
            if not add_columns(problem, columns, offers, *middle):
                break
        if broken <= _MET:
            return True
    columns.margin = -2 * broken  # met but for rounding
    return broken <= _BROKEN
