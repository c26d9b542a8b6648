"""Draws of curves, aversion to chance, and a month's money, as JSON values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.allocation.curve_document import read_curves
from pipeline.allocation.curves import Curves
from pipeline.allocation.notes import Notes, shown
from pipeline.allocation.pacing import Pace, pace_day
from pipeline.allocation.problem import OUTCOME, Guardrail, Quantity
from pipeline.allocation.risk import Risk, RiskKind
from pipeline.allocation.tables import Piecewise
from pipeline.core.errors import ConfigError
from pipeline.core.types import FloatArray, JsonObject

EXPECTED = "expected outcome"
"""The metric that guardrails on the outcome mean where the objective weighs chance."""

_PIECES = 128  # straight ones, shorter near 0, on which draws that are not tables are read
_PACING = {"total", "spent", "demand", "day"}
_RISK = {str(kind): kind for kind in RiskKind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Joint draws of every line's curve: spends (n_lines, n_knots), values with draws first."""

    spend: FloatArray
    value: FloatArray

    def mean(self) -> Curves:
        """Return the curves of the draws' mean."""
        return Curves.from_knots(self.spend, self.value.mean(axis=0), smooth=False)


def read_draws(
    rows: Sequence[JsonObject], ids: Sequence[str], most: FloatArray, notes: Notes
) -> Draws | None:
    """Return the draws of all lines; None where none are given or something is wrong.

    Args:
        most: (n_lines,), what a line may spend at most.
    """
    given = [row.get("draws") for row in rows]
    if all(item is None for item in given):
        return None
    size = len(given[0]) if isinstance(given[0], list) else 0
    if size < 2 or any(not isinstance(item, list) or len(item) != size for item in given):
        notes.add("draws: every line needs a list of as many curves, at least 2, or none has any")
        return None
    if any(row.get("curve") is not None for row in rows):
        notes.add("draws: give a line a curve or draws, not both")
        return None
    if not np.isfinite(most).all():
        notes.add("draws: give a budget, or a max on every line")
        return None
    before = len(notes.found)
    curves = []
    for number in range(size):
        names = [f"{name} draws[{number}]" for name in ids]
        curves.append(read_curves([item[number] for item in given if item], names, notes))
        if len(notes.found) > before:
            return None
    knots = _knots(curves, np.where(most > 0, most, 1.0))
    value = np.stack([[one.value(column) for column in knots.T] for one in curves])
    return Draws(spend=knots, value=np.ascontiguousarray(value.transpose(0, 2, 1)))


def _knots(curves: Sequence[Curves], most: FloatArray) -> FloatArray:
    """Return where curves are read, (n_lines, n_knots): an even grid and all tables' own knots."""
    grid = (np.arange(_PIECES + 1) / _PIECES) ** 1.5
    rows = [set((high * grid).tolist()) for high in most.tolist()]
    for one in curves:
        for family, where in zip(one.families, one.positions, strict=True):
            if isinstance(family, Piecewise):
                for own, line in zip(family.knots, where.tolist(), strict=True):
                    rows[line] |= {x for x in own.tolist() if x < most[line]}
    width = max(map(len, rows))
    out = np.empty((len(rows), width))
    for line, row in enumerate(rows):
        inside = np.array(sorted(row))
        beyond = most[line] * (1 + 0.01 * np.arange(1, width - inside.size + 1))
        out[line] = np.concatenate([inside, beyond])
    return out


def read_risk(data: object, draws: Draws | None, notes: Notes) -> Risk | None:
    """Return how chance counts; None where it does not or something is wrong."""
    if data is None:
        return None
    given = notes.keys("risk", data, _RISK)
    if len(given) != 1:
        notes.add('risk: need {"spread": AVERSION} or {"worst": SHARE}')
        return None
    ((name, amount),) = given.items()
    number = notes.number(f"risk.{name}", amount)
    if draws is None:
        notes.add("risk: needs draws on every line, which say how sure each curve is")
        return None
    if name not in _RISK or math.isnan(number):
        return None
    try:
        return Risk(kind=_RISK[name], amount=number, spend=draws.spend, value=draws.value)
    except ConfigError as error:
        notes.add(str(error))
        return None


def on_expected(rails: Sequence[Guardrail]) -> list[Guardrail]:
    """Return the guardrails on the expected outcome instead of the weighted one."""

    def mapped(part: Quantity) -> Quantity:
        return replace(part, metric=EXPECTED) if part.metric == OUTCOME else part

    return [
        replace(rail, over=mapped(rail.over), per=None if rail.per is None else mapped(rail.per))
        for rail in rails
    ]


def read_pacing(data: object, notes: Notes) -> Pace | None:
    """Return the day's money of a month; None where none is given or something is wrong.

    `demand` is one number per day of the month, `day` counts from 1.
    """
    if data is None:
        return None
    given = notes.keys("pacing", data, _PACING)
    before = len(notes.found)
    total = notes.number("pacing.total", given.get("total"))
    spent = notes.number("pacing.spent", given.get("spent"))
    day, demand = given.get("day"), given.get("demand")
    if not isinstance(demand, list) or not demand:
        notes.add(f"pacing.demand: need a number per day of the month, got {shown(demand)}")
        return None
    weights = [notes.number(f"pacing.demand[{i}]", value) for i, value in enumerate(demand)]
    if isinstance(day, bool) or not isinstance(day, int) or not 1 <= day <= len(demand):
        notes.add(f"pacing.day: need a whole number from 1 to {len(demand)}, got {shown(day)}")
    if len(notes.found) > before or not isinstance(day, int):
        return None
    return pace_day(total, spent, np.array(weights), day - 1)
