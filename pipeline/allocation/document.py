"""A problem and its answer as plain JSON values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.allocation.conflict import infeasible
from pipeline.allocation.curves import Curves, join
from pipeline.allocation.families import FAMILIES, Family
from pipeline.allocation.problem import OUTCOME, SPEND, Group, Guardrail, Problem, Quantity
from pipeline.allocation.tables import Piecewise, padded
from pipeline.core.errors import ConfigError
from pipeline.core.money import minor_digits
from pipeline.core.types import FloatArray, IntArray, JsonObject

_TOP = {"budget", "spend", "lines", "groups", "guardrails", "goal", "unit", "currency", "name"}
_LINE = {
    "id", "curve", "min", "max", "current", "fixed", "ramp", "min_if_on", "labels", "metrics",
    "organic",
}  # fmt: skip
_GROUP = {"id", "lines", "where", "min", "max", "fixed"}
_RAIL = {"id", "metric", "min", "max", "lines", "where"}
_GOAL = {"minimize", "maximize", OUTCOME, "cost_per_outcome", "return"}
_RETURN = {"return", "roas"}
_COST = {"cost_per_outcome", "cac", "cpa"}
_POSITIVE = {"half_saturation", "scale", "steepness"}  # parameters that divide or stretch
_MANY = 8  # problems of one file that are told in full


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a problem file asks for.

    Attributes:
        unit: the smallest amount of money; None leaves spends as they are.
        target: the outcome to reach with the least spend; None to earn most.
    """

    problem: Problem
    unit: float | None
    target: float | None


class _Notes:
    """Every problem of one file, told together."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.found: list[str] = []

    def add(self, message: str) -> None:
        self.found.append(message)

    def refuse(self) -> None:
        """Raise what was noted, if anything was."""
        if self.found:
            shown = "; ".join(self.found[:_MANY])
            more = f"; and {len(self.found) - _MANY} more" if len(self.found) > _MANY else ""
            raise ConfigError(f"{self.where}: {shown}{more}")

    def keys(self, what: str, data: object, allowed: Iterable[str]) -> dict[str, Any]:
        """Return the mapping, with unknown keys noted."""
        if not isinstance(data, dict):
            self.add(f"{what}: need an object, got {_shown(data)}")
            return {}
        known = set(allowed)
        for key in sorted(set(data) - known, key=str):
            self.add(f"{what}: unknown key {key!r}, need one of {sorted(known)}")
        return data

    def number(self, what: str, value: object, *, least: float = 0.0) -> float:
        """Return a finite number that is not below `least`; NaN, noted, where it is none."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.add(f"{what}: need a number, got {_shown(value)}")
        elif not math.isfinite(value):
            self.add(f"{what}: need a finite number, got {value!r}")
        elif value < least:
            self.add(f"{what}: need at least {least:g}, got {value:g}")
        else:
            return float(value)
        return math.nan


def parse_problem(data: object, where: str) -> Request:
    """Return the request that a parsed problem file states.

    Args:
        data: the JSON value; `lines` is a list of objects.
        where: the file's name, for messages.

    Raises:
        ConfigError: with every problem of the file in one line.
        InfeasibleError: bounds of one line contradict each other.
    """
    notes = _Notes(where)
    top = notes.keys("problem", data, _TOP)
    notes.refuse()
    lines = top.get("lines")
    if not isinstance(lines, list) or not lines:
        raise ConfigError(f"{where}: lines: need a list of at least one line, got {_shown(lines)}")
    rows = [notes.keys(_line_name(row, i), row, _LINE) for i, row in enumerate(lines)]
    ids = _ids(rows, notes)
    curves = _curves([row.get("curve") for row in rows], ids, notes)
    budget, exactly = _budget(top, notes)
    index = {name: position for position, name in enumerate(ids)}
    metrics, organic = _metrics(rows, ids, notes)
    groups = _groups(top.get("groups", []), rows, index, notes)
    rails = _guardrails(top.get("guardrails", []), rows, index, organic, notes)
    goal_rails, target = _goal(top, notes)
    unit = _unit(top, notes)
    bounds = _bounds(rows, ids, notes)
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
        guardrails=(*rails, *goal_rails),
        metrics=metrics,
        limit_names=bounds.names,
    )
    return Request(problem=problem, unit=unit, target=target)


def _ids(rows: Sequence[JsonObject], notes: _Notes) -> list[str]:
    ids = []
    for position, row in enumerate(rows):
        name = row.get("id")
        if not isinstance(name, str) or not name:
            notes.add(f"lines[{position}].id: need a text that is not empty, got {_shown(name)}")
            name = f"lines[{position}]"
        ids.append(name)
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            notes.add(f"lines: the id {name!r} is given twice")
        seen.add(name)
    return ids


def _budget(top: JsonObject, notes: _Notes) -> tuple[float, bool]:
    mode = top.get("spend", "exactly" if "budget" in top and "goal" not in top else "at_most")
    if mode not in ("exactly", "at_most"):
        notes.add(f"spend: need 'exactly' or 'at_most', got {_shown(mode)}")
    if top.get("budget") is None:
        if mode == "exactly" or not (top.get("guardrails") or top.get("goal")):
            notes.add("budget: need an amount of money")
        return math.inf, False
    return notes.number("budget", top["budget"]), mode == "exactly"


def _unit(top: JsonObject, notes: _Notes) -> float | None:
    if top.get("unit") is not None:
        unit = notes.number("unit", top["unit"])
        if unit == 0:
            notes.add("unit: need an amount above 0")
        return unit
    if top.get("currency") is not None:
        try:
            return float(10.0 ** -minor_digits(str(top["currency"])))
        except ConfigError as error:
            notes.add(str(error))
    return None


def _goal(top: JsonObject, notes: _Notes) -> tuple[list[Guardrail], float | None]:
    if top.get("goal") is None:
        return [], None
    goal = notes.keys("goal", top["goal"], _GOAL)
    if goal.get("minimize") is not None:
        if goal["minimize"] != SPEND or OUTCOME not in goal:
            notes.add('goal: need {"minimize": "spend", "outcome": NUMBER}')
            return [], None
        return [], notes.number("goal.outcome", goal[OUTCOME])
    rails = []
    for key, side in (("cost_per_outcome", "max"), ("return", "min")):
        if key in goal:
            limit = notes.number(f"goal.{key}", goal[key])
            if math.isfinite(limit):
                rails.append(_rail(f"goal {key}", key, side, limit, None, {}))
    return rails, None


def _curves(curves: Sequence[object], ids: Sequence[str], notes: _Notes) -> Curves:
    """Return the curves of all lines; what is wrong with one is noted and replaced by nothing."""
    by_family: dict[str, tuple[list[int], list[Any]]] = {}
    for position, curve in enumerate(curves):
        what = f"line {ids[position]!r}: curve"
        if not isinstance(curve, dict) or "family" not in curve:
            notes.add(f"{what}: need an object with a family, got {_shown(curve)}")
            continue
        family = curve["family"]
        if family == "table":
            row: Any = _table(curve, what, notes)
        elif isinstance(family, str) and family in FAMILIES:
            row = _parameters(family, curve, what, notes)
        else:
            need = sorted([*FAMILIES, "table"])
            notes.add(f"{what}: unknown family {_shown(family)}, need one of {need}")
            continue
        if row is not None:
            where, rows = by_family.setdefault(family, ([], []))
            where.append(position)
            rows.append(row)
    members: list[tuple[Family, IntArray]] = []
    for family in sorted(by_family):
        where, rows = by_family[family]
        if family == "table":
            made: Family = Piecewise(padded([r[0] for r in rows]), padded([r[1] for r in rows]))
        else:
            made = FAMILIES[family](*np.array(rows, dtype=float).T.copy())
        members.append((made, np.array(where)))
    return join(len(ids), members)


def _parameters(
    family: str, curve: JsonObject, what: str, notes: _Notes
) -> list[float] | None:
    names = [*FAMILIES[family].__dataclass_fields__]
    before = len(notes.found)
    notes.keys(what, curve, ["family", *names])
    values = []
    for name in names:
        if name not in curve:
            notes.add(f"{what}: {family} needs {name}")
            continue
        least = -math.inf if name == "midpoint" else 0.0
        value = notes.number(f"{what}.{name}", curve[name], least=least)
        if value == 0 and (name in _POSITIVE or name == "slope"):
            notes.add(f"{what}.{name}: need a number above 0")
        values.append(value)
    return values if len(notes.found) == before else None


def _table(curve: JsonObject, what: str, notes: _Notes) -> tuple[FloatArray, FloatArray] | None:
    before = len(notes.found)
    notes.keys(what, curve, ["family", "x", "y", "spend", "value"])
    x, y = curve.get("x", curve.get("spend")), curve.get("y", curve.get("value"))
    if not isinstance(x, list) or not isinstance(y, list) or len(x) != len(y) or len(x) < 2:
        notes.add(f"{what}: a table needs x and y, two lists of the same length, at least 2")
        return None
    xs = [notes.number(f"{what}.x[{i}]", v) for i, v in enumerate(x)]
    ys = [notes.number(f"{what}.y[{i}]", v, least=-math.inf) for i, v in enumerate(y)]
    if len(notes.found) == before and any(b <= a for a, b in zip(xs, xs[1:], strict=False)):
        notes.add(f"{what}.x: must ascend")
    return (np.array(xs), np.array(ys)) if len(notes.found) == before else None


def _metrics(
    rows: Sequence[JsonObject], ids: Sequence[str], notes: _Notes
) -> tuple[dict[str, Curves], dict[str, FloatArray]]:
    names = sorted({str(n) for row in rows for n in (row.get("metrics") or {})})
    curves = {}
    for name in names:
        given = [(row.get("metrics") or {}).get(name, _NOTHING) for row in rows]
        curves[name] = _curves(given, [f"{line} metrics.{name}" for line in ids], notes)
    organic: dict[str, FloatArray] = {}
    for position, row in enumerate(rows):
        for name, value in (row.get("organic") or {}).items():
            column = organic.setdefault(str(name), np.zeros(len(rows)))
            column[position] = notes.number(f"line {ids[position]!r}: organic.{name}", value)
    return curves, organic


_NOTHING = {"family": "exponential", "ceiling": 0.0, "scale": 1.0}


@dataclass(slots=True)
class _Bounds:
    low: FloatArray
    high: FloatArray
    gate: FloatArray
    current: FloatArray
    names: dict[tuple[int, str], str]


def _bounds(rows: Sequence[JsonObject], ids: Sequence[str], notes: _Notes) -> _Bounds:
    size = len(rows)
    bounds = _Bounds(
        np.zeros(size), np.full(size, np.inf), np.zeros(size), np.full(size, np.nan), {}
    )
    for position, row in enumerate(rows):
        _bound(position, row, ids[position], bounds, notes)
    return bounds


def _bound(position: int, row: JsonObject, name: str, bounds: _Bounds, notes: _Notes) -> None:
    given = {
        key: notes.number(f"line {name!r}: {key}", row[key])
        for key in ("min", "max", "current", "fixed", "ramp", "min_if_on")
        if row.get(key) is not None
    }
    if any(math.isnan(value) for value in given.values()):
        return
    if "ramp" in given and "current" not in given:
        notes.add(f"line {name!r}: ramp needs current, the spend it is counted from")
        return
    floors = [(given.get("min", 0.0), "min")]
    caps = [(given["max"], "max")] if "max" in given else []
    if "ramp" in given:
        floors.append((given["current"] * max(1 - given["ramp"], 0.0), "ramp"))
        caps.append((given["current"] * (1 + given["ramp"]), "ramp"))
    if "fixed" in given:
        floors.append((given["fixed"], "fixed"))
        caps.append((given["fixed"], "fixed"))
    low, low_name = max(floors, key=lambda item: item[0])
    high, high_name = min(caps, key=lambda item: item[0], default=(math.inf, "max"))
    if low > high:
        raise infeasible(
            [
                (f"{name} {low_name}", f"{name} {low_name} {low:g}"),
                (f"{name} {high_name}", f"{name} {high_name} {high:g}"),
            ]
        )
    bounds.low[position], bounds.high[position] = low, high
    bounds.gate[position] = given.get("min_if_on", 0.0)
    bounds.current[position] = given.get("current", math.nan)
    bounds.names[position, "min"] = f"{name} {low_name}"
    bounds.names[position, "max"] = f"{name} {high_name}"


def _members(
    what: str, data: JsonObject, rows: Sequence[JsonObject], index: Mapping[str, int], notes: _Notes
) -> IntArray | None:
    """Return the lines that a scope names; None for all."""
    if data.get("lines") is not None:
        chosen = data["lines"]
        if not isinstance(chosen, list) or not chosen:
            notes.add(f"{what}: lines: need a list of line ids, got {_shown(chosen)}")
            return None
        for name in chosen:
            if not isinstance(name, str) or name not in index:
                notes.add(f"{what}: there is no line {_shown(name)}")
        places = [index[name] for name in chosen if isinstance(name, str) and name in index]
        if len(set(places)) != len(places):
            notes.add(f"{what}: a line is named twice")
        return np.array(sorted(set(places)), dtype=np.int64)
    if data.get("where") is not None:
        wanted = data["where"]
        if not isinstance(wanted, dict) or not wanted:
            notes.add(f"{what}: where: need labels and values, got {_shown(wanted)}")
            return None
        places = [
            position
            for position, row in enumerate(rows)
            if all((row.get("labels") or {}).get(key) == value for key, value in wanted.items())
        ]
        if not places:
            notes.add(f"{what}: no line has the labels {wanted}")
        return np.array(places, dtype=np.int64)
    return None


def _groups(
    data: object, rows: Sequence[JsonObject], index: Mapping[str, int], notes: _Notes
) -> list[Group]:
    if not isinstance(data, list):
        notes.add(f"groups: need a list, got {_shown(data)}")
        return []
    groups = []
    for position, item in enumerate(data):
        group = notes.keys(f"groups[{position}]", item, _GROUP)
        name = group.get("id")
        if not isinstance(name, str) or not name:
            notes.add(f"groups[{position}].id: need a text that is not empty, got {_shown(name)}")
            continue
        what = f"group {name!r}"
        members = _members(what, group, rows, index, notes)
        if members is None:
            notes.add(f"{what}: need lines or where")
            continue
        low = notes.number(f"{what}: min", group.get("min", 0.0))
        high = math.inf
        if group.get("max") is not None:
            high = notes.number(f"{what}: max", group["max"])
        if group.get("fixed") is not None:
            low = high = notes.number(f"{what}: fixed", group["fixed"])
        if math.isnan(low) or math.isnan(high):
            continue
        if low > high:
            raise infeasible([(f"{name} min", f"{name} min {low:g}"),
                              (f"{name} max", f"{name} max {high:g}")])  # fmt: skip
        groups.append(Group(id=name, members=members, min=low, max=high))
    return groups


def _guardrails(
    data: object,
    rows: Sequence[JsonObject],
    index: Mapping[str, int],
    organic: Mapping[str, FloatArray],
    notes: _Notes,
) -> list[Guardrail]:
    if not isinstance(data, list):
        notes.add(f"guardrails: need a list, got {_shown(data)}")
        return []
    rails: list[Guardrail] = []
    for position, item in enumerate(data):
        what = f"guardrails[{position}]"
        rail = notes.keys(what, item, _RAIL)
        metric = rail.get("metric")
        if not isinstance(metric, str) or not metric:
            notes.add(f"{what}.metric: need a text, got {_shown(metric)}")
            continue
        if rail.get("min") is None and rail.get("max") is None:
            notes.add(f"{what}: need min or max")
        members = _members(what, rail, rows, index, notes)
        for side in ("min", "max"):
            if rail.get(side) is None:
                continue
            limit = notes.number(f"{what}.{side}", rail[side])
            if math.isfinite(limit):
                name = _fresh(str(rail.get("id") or metric), side, rails)
                rails.append(_rail(name, metric, side, limit, members, organic))
    return rails


def _rail(
    name: str,
    metric: str,
    side: str,
    limit: float,
    members: IntArray | None,
    organic: Mapping[str, FloatArray],
) -> Guardrail:
    """Return the guardrail that a metric's name stands for."""

    def total(what: str, inside: IntArray | None = members) -> Quantity:
        base = organic.get(what, np.zeros(0))
        extra = float(base.sum() if inside is None or not base.size else base[inside].sum())
        return Quantity(metric=what, members=inside, constant=extra)

    if metric in _RETURN:
        over, per = total(OUTCOME), total(SPEND)
    elif metric in _COST:
        over, per = total(SPEND), total(OUTCOME)
    elif metric.startswith("cost_per_"):
        over, per = total(SPEND), total(metric.removeprefix("cost_per_"))
    elif metric.endswith("_per_spend"):
        over, per = total(metric.removesuffix("_per_spend")), total(SPEND)
    elif metric.endswith("_share"):
        what = metric.removesuffix("_share")
        over, per = total(what), total(what, None)
    else:
        return Guardrail(id=name, over=total(metric), **{side: limit})
    return Guardrail(id=name, over=over, per=per, **{side: limit})


def _fresh(name: str, side: str, rails: Sequence[Guardrail]) -> str:
    taken = {rail.id for rail in rails}
    if name not in taken:
        return name
    candidate, number = f"{name} {side}", 2
    while candidate in taken:
        candidate, number = f"{name} {side} {number}", number + 1
    return candidate


def _line_name(row: object, position: int) -> str:
    name = row.get("id") if isinstance(row, dict) else None
    return f"line {name!r}" if isinstance(name, str) else f"lines[{position}]"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
