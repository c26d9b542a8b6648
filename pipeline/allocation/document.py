"""A problem as plain JSON values."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.allocation.chance_document import (
    EXPECTED,
    on_expected,
    read_draws,
    read_pacing,
    read_risk,
)
from pipeline.allocation.curve_document import read_curves, read_metrics
from pipeline.allocation.curves import Curves
from pipeline.allocation.limit_document import (
    SAID_OTHERWISE,
    Known,
    make_guardrail,
    note_clashes,
    read_bounds,
    read_groups,
    read_guardrails,
    read_labels,
)
from pipeline.allocation.notes import Notes, shown
from pipeline.allocation.pacing import Pace
from pipeline.allocation.problem import OUTCOME, SPEND, Guardrail, Problem
from pipeline.allocation.risk import Risk
from pipeline.allocation.rounding import amounts_of
from pipeline.core.errors import ConfigError
from pipeline.core.money import minor_digits
from pipeline.core.types import BoolArray, FloatArray, JsonObject

_TOP = {
    "budget", "spend", "lines", "groups", "guardrails", "goal", "unit", "currency", "name", "risk",
    "pacing", "time_limit",
}  # fmt: skip
LINE_KEYS = frozenset({
    "id", "curve", "draws", "min", "max", "current", "fixed", "ramp", "min_if_on", "labels",
    "metrics", "organic",
})  # fmt: skip
"""What is said of a line."""
_RATES = (("cost_per_outcome", "max"), ("return", "min"))
_GOAL = {"minimize", "maximize", OUTCOME, *(key for key, _ in _RATES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a problem file asks for.

    Attributes:
        unit: the smallest amount of money; None leaves spends as they are.
        target: the outcome to reach with the least spend; None to earn most.
        risk: how chance counts; None for the expected outcome.
        pace: how a month's money stands; its day's share is the budget.
        time_limit: seconds after which the best plan so far is wanted; None to wait for the proof.
    """

    problem: Problem
    unit: float | None
    target: float | None
    risk: Risk | None = None
    pace: Pace | None = None
    time_limit: float | None = None


def parse_problem(data: object, where: str) -> Request:
    """Return the request that a parsed problem file states.

    Args:
        data: the JSON value; `lines` is a list of objects.
        where: the file's name, for messages.

    Raises:
        ConfigError: with every problem of the file in one line.
        InfeasibleError: bounds of one line contradict each other.
    """
    notes = Notes(where)
    top = notes.keys("problem", data, _TOP)
    notes.refuse()
    lines = top.get("lines")
    if not isinstance(lines, list) or not lines:
        raise ConfigError(f"{where}: lines: need a list of at least one line, got {shown(lines)}")
    rows = [notes.keys(_line_name(row, i), row, LINE_KEYS) for i, row in enumerate(lines)]
    ids = _ids(rows, notes)
    pace = read_pacing(top.get("pacing"), notes)
    budget, exactly = _budget(top, pace, notes)
    metrics, organic = read_metrics(rows, ids, notes)
    _check_metrics(metrics, notes)
    known = Known(
        index={name: position for position, name in enumerate(ids)},
        labels=read_labels(rows, ids, notes),
        metrics=metrics,
        organic=organic,
    )
    groups = read_groups(top.get("groups"), known, notes)
    rails = read_guardrails(top.get("guardrails"), known, notes)
    goal_rails, target = _goal(top, known, notes)
    unit = _unit(top, budget, notes)
    budget = _in_units(top, budget, unit, notes) if exactly else budget
    time_limit = _time_limit(top, notes)
    bounds = read_bounds(rows, ids, notes)
    most = np.minimum(bounds.high, budget)
    draws = read_draws(rows, ids, most, notes)
    risk = read_risk(top.get("risk"), draws, notes)
    rails = [*rails, *goal_rails]
    note_clashes(groups, rails, ids, bounds, notes)
    if draws is not None:
        curves = draws.mean()
    else:
        curves = read_curves([row.get("curve") for row in rows], ids, notes)
        _check_curves(curves, ids, most, notes)
    if risk is not None:
        rails, metrics = on_expected(rails), {**metrics, EXPECTED: curves}
        if target is not None:
            notes.add("risk: goes with the most outcome for a budget, not with the least spend")
    notes.refuse()
    problem = Problem(
        ids=tuple(ids),
        curves=curves,
        lower=bounds.low,
        upper=bounds.high,
        gate=bounds.gate if bounds.gate.any() else None,
        current=None if np.isnan(bounds.current).any() else bounds.current,
        budget=budget,
        exactly=exactly,
        groups=tuple(groups),
        guardrails=tuple(rails),
        metrics=metrics,
        limit_names=bounds.names,
    )
    return Request(
        problem=problem, unit=unit, target=target, risk=risk, pace=pace, time_limit=time_limit
    )


def _ids(rows: Sequence[JsonObject], notes: Notes) -> list[str]:
    ids = []
    for position, row in enumerate(rows):
        ids.append(notes.text(f"lines[{position}].id", row.get("id")) or f"lines[{position}]")
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            notes.add(f"lines: the id {name!r} is given twice")
        seen.add(name)
    return ids


def _check_metrics(metrics: Collection[str], notes: Notes) -> None:
    for name in sorted((SAID_OTHERWISE | {EXPECTED}) & set(metrics)):
        notes.add(f"metrics: {name!r} means something else already; give the metric another name")


def _check_curves(curves: Curves, ids: Sequence[str], most: FloatArray, notes: Notes) -> None:
    """Note curves whose numbers cannot be added up as far as money may go."""
    for line in np.flatnonzero(~_adds_up(curves, most)).tolist():
        notes.add(
            f"line {ids[line]!r}: curve: its numbers and a spend of {most[line]:g} lie too far "
            "apart to be computed; use other units, or give a smaller max"
        )


def _adds_up(curves: Curves, most: FloatArray) -> BoolArray:
    """Return for which lines outcome and marginal return are numbers at the most spend."""
    asked = np.where(np.isfinite(most) & (most > 0), most, 1.0)
    try:
        with np.errstate(over="raise", invalid="raise"):
            both = curves.value(asked), curves.marginal(asked)
    except FloatingPointError:
        if curves.size == 1:
            return np.zeros(1, dtype=bool)
        half = curves.size // 2
        parts = (np.arange(half), np.arange(half, curves.size))
        return np.concatenate([_adds_up(curves.take(part), asked[part]) for part in parts])
    return np.isfinite(both[0]) & np.isfinite(both[1])


def _budget(top: JsonObject, pace: Pace | None, notes: Notes) -> tuple[float, bool]:
    has_budget = "budget" in top or "pacing" in top
    mode = top.get("spend", "exactly" if has_budget and "goal" not in top else "at_most")
    if mode not in ("exactly", "at_most"):
        notes.add(f"spend: need 'exactly' or 'at_most', got {shown(mode)}")
    if top.get("pacing") is not None:
        if top.get("budget") is not None:
            notes.add("budget: leave it out where pacing gives the day's money")
        return (math.inf if pace is None else pace.today), mode == "exactly"
    if top.get("budget") is None:
        if mode == "exactly" or not (top.get("guardrails") or top.get("goal")):
            notes.add("budget: need an amount of money")
        return math.inf, False
    return notes.number("budget", top["budget"]), mode == "exactly"


def _unit(top: JsonObject, budget: float, notes: Notes) -> float | None:
    if top.get("unit") is not None:
        unit = notes.number("unit", top["unit"])
        if unit == 0:
            notes.add("unit: need an amount above 0")
        elif 0 < budget < unit:
            notes.add(f"unit: {unit:g} is more than the whole budget, {budget:g}")
        return unit
    if top.get("currency") is not None:
        try:
            return float(10.0 ** -minor_digits(str(top["currency"])))
        except ConfigError as error:
            notes.add(str(error))
    return None


def _in_units(top: JsonObject, budget: float, unit: float | None, notes: Notes) -> float:
    """Return the money to spend exactly as whole units of it.

    A currency has no amount between two of its smallest coins, so the nearest is meant; a month's
    money is not exceeded; an amount that was written down beside a unit has to fit it.
    """
    if not unit or not math.isfinite(budget) or not math.isfinite(unit) or budget / unit >= 2**53:
        return budget
    below = math.floor(budget / unit + 1e-6)
    if "pacing" in top:
        count = below
    else:
        count = round(budget / unit)
        if top.get("unit") is not None and budget >= unit and abs(budget / unit - count) > 1e-6:
            low, high = amounts_of(np.array([below, below + 1.0]), unit).tolist()
            notes.add(
                f"budget: {budget:g} is no whole number of units of {unit:g}; give {low:g} or "
                f'{high:g}, or spend "at_most"'
            )
    return float(amounts_of(np.array(float(count)), unit))


def _time_limit(top: JsonObject, notes: Notes) -> float | None:
    if top.get("time_limit") is None:
        return None
    return notes.number("time_limit", top["time_limit"])


def _goal(top: JsonObject, known: Known, notes: Notes) -> tuple[list[Guardrail], float | None]:
    """Return what the goal asks to keep, and the outcome to reach with the least spend."""
    if top.get("goal") is None:
        return [], None
    goal = notes.keys("goal", top["goal"], _GOAL)
    given = {key for key, value in goal.items() if value is not None}
    if given == {"minimize", OUTCOME} and goal["minimize"] == SPEND:
        return [], notes.number("goal.outcome", goal[OUTCOME])
    if goal.get("maximize") != OUTCOME or given & {"minimize", OUTCOME}:
        notes.add(
            'goal: need {"minimize": "spend", "outcome": NUMBER} or {"maximize": "outcome"}, the '
            f"latter with cost_per_outcome or return, got {shown(goal)}"
        )
        return [], None
    rails = []
    for key, side in _RATES:
        if key in given:
            limit = notes.number(f"goal.{key}", goal[key])
            if math.isfinite(limit):
                rails.append(make_guardrail(f"goal {key}", key, side, limit, None, known))
    return rails, None


def _line_name(row: object, position: int) -> str:
    name = row.get("id") if isinstance(row, dict) else None
    return f"line {name!r}" if isinstance(name, str) else f"lines[{position}]"
