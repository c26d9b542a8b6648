"""Limits as JSON values: bounds of lines, groups, guardrails."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.allocation.conflict import infeasible
from pipeline.allocation.notes import Notes, shown
from pipeline.allocation.problem import OUTCOME, SPEND, Group, Guardrail, Quantity
from pipeline.core.types import FloatArray, IntArray, JsonObject

_GROUP = {"id", "lines", "where", "min", "max", "fixed"}
_RAIL = {"id", "metric", "min", "max", "lines", "where"}
_LONGEST_NAME = 200
_RETURN = {"return", "roas"}
_COST = {"cost_per_outcome", "cac", "cpa"}


SAID_OTHERWISE = frozenset({SPEND, OUTCOME}) | _RETURN | _COST
"""Names of guardrails' metrics that mean something already, so that no metric may have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What limits may refer to.

    Attributes:
        index: where the line of each id stands.
        labels: of every line.
        metrics: names of further metrics.
        organic: (n_lines,) by metric, what comes without spend.
    """

    index: Mapping[str, int]
    labels: Sequence[JsonObject]
    metrics: Collection[str]
    organic: Mapping[str, FloatArray]


def read_labels(rows: Sequence[JsonObject], ids: Sequence[str], notes: Notes) -> list[JsonObject]:
    """Return the labels of every line; what is none is noted."""
    out: list[JsonObject] = []
    for name, row in zip(ids, rows, strict=True):
        given = {} if row.get("labels") is None else row["labels"]
        if not isinstance(given, dict):
            notes.add(f"line {name!r}: labels: need an object, got {shown(given)}")
            given = {}
        out.append(given)
    return out


@dataclass(slots=True)
class Bounds:
    """Bounds of every line, and what the user calls them."""

    low: FloatArray
    high: FloatArray
    gate: FloatArray
    current: FloatArray
    names: dict[tuple[int, str], str]


def read_bounds(rows: Sequence[JsonObject], ids: Sequence[str], notes: Notes) -> Bounds:
    """Return the lines' bounds; what is wrong with one is noted."""
    size = len(rows)
    bounds = Bounds(
        np.zeros(size), np.full(size, np.inf), np.zeros(size), np.full(size, np.nan), {}
    )
    for position, row in enumerate(rows):
        _bound(position, row, ids[position], bounds, notes)
    return bounds


def _bound(position: int, row: JsonObject, name: str, bounds: Bounds, notes: Notes) -> None:
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
    (low, low_name), (high, high_name) = _ends(name, given)
    bounds.low[position], bounds.high[position] = low, high
    bounds.gate[position] = given.get("min_if_on", 0.0)
    bounds.current[position] = given.get("current", math.nan)
    bounds.names[position, "min"] = f"{name} {low_name}"
    bounds.names[position, "max"] = f"{name} {high_name}"


def _ends(name: str, given: Mapping[str, float]) -> tuple[tuple[float, str], tuple[float, str]]:
    """Return the highest floor and the lowest cap, each with the key that gives it.

    Raises:
        InfeasibleError: the floor is above the cap.
    """
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
    return (low, low_name), (high, high_name)


def read_groups(data: object, known: Known, notes: Notes) -> list[Group]:
    """Return the groups; what is wrong with one is noted, and it is left out."""
    if data is None:
        return []
    if not isinstance(data, list):
        notes.add(f"groups: need a list, got {shown(data)}")
        return []
    groups = []
    for position, item in enumerate(data):
        group = notes.keys(f"groups[{position}]", item, _GROUP)
        name = notes.text(f"groups[{position}].id", group.get("id"))
        if not name:
            continue
        what = f"group {name!r}"
        members = _scope_members(what, group, known, notes)
        if members is None:
            notes.add(f"{what}: need lines or where")
            continue
        given = {
            key: notes.number(f"{what}: {key}", group[key])
            for key in ("min", "max", "fixed")
            if group.get(key) is not None
        }
        if any(math.isnan(value) for value in given.values()):
            continue
        (low, _), (high, _) = _ends(name, given)
        groups.append(Group(id=name, members=members, min=low, max=high))
    return groups


def _scope_members(what: str, data: JsonObject, known: Known, notes: Notes) -> IntArray | None:
    """Return the lines that a scope names; None for all."""
    index = known.index
    if data.get("lines") is not None and data.get("where") is not None:
        notes.add(f"{what}: give lines or where, not both")
    if data.get("lines") is not None:
        chosen = data["lines"]
        if not isinstance(chosen, list) or not chosen:
            notes.add(f"{what}: lines: need a list of line ids, got {shown(chosen)}")
            return None
        for name in chosen:
            if not isinstance(name, str) or name not in index:
                notes.add(f"{what}: there is no line {shown(name)}")
        places = [index[name] for name in chosen if isinstance(name, str) and name in index]
        if len(set(places)) != len(places):
            notes.add(f"{what}: a line is named twice")
        return np.array(sorted(set(places)), dtype=np.int64)
    if data.get("where") is not None:
        wanted = data["where"]
        if not isinstance(wanted, dict) or not wanted:
            notes.add(f"{what}: where: need labels and values, got {shown(wanted)}")
            return None
        places = [
            position
            for position, labels in enumerate(known.labels)
            if all(key in labels and labels[key] == value for key, value in wanted.items())
        ]
        if not places:
            notes.add(f"{what}: no line has the labels {wanted}")
        return np.array(places, dtype=np.int64)
    return None


def read_guardrails(data: object, known: Known, notes: Notes) -> list[Guardrail]:
    """Return the guardrails, one for each limit given."""
    if data is None:
        return []
    if not isinstance(data, list):
        notes.add(f"guardrails: need a list, got {shown(data)}")
        return []
    rails: list[Guardrail] = []
    for position, item in enumerate(data):
        what = f"guardrails[{position}]"
        rail = notes.keys(what, item, _RAIL)
        metric = notes.text(f"{what}.metric", rail.get("metric"), most=_LONGEST_NAME)
        given = metric if rail.get("id") is None else notes.text(f"{what}.id", rail["id"])
        if not metric or not given:
            continue
        if rail.get("min") is None and rail.get("max") is None:
            notes.add(f"{what}: need min or max")
        members = _scope_members(what, rail, known, notes)
        for side in ("min", "max"):
            if rail.get(side) is None:
                continue
            limit = notes.number(f"{what}.{side}", rail[side])
            if math.isfinite(limit):
                name = _fresh(given, side, rails)
                rails.append(make_guardrail(name, metric, side, limit, members, known))
    return rails


def make_guardrail(
    name: str,
    metric: str,
    side: str,
    limit: float,
    members: IntArray | None,
    known: Known,
) -> Guardrail:
    """Return the guardrail that a metric's name stands for: one of the file's own first."""
    low, high = (limit, None) if side == "min" else (None, limit)

    def total(what: str, inside: IntArray | None = members) -> Quantity:
        base = known.organic.get(what, np.zeros(0))
        extra = float(base.sum() if inside is None or not base.size else base[inside].sum())
        return Quantity(metric=what, members=inside, constant=extra)

    if metric in known.metrics:
        return Guardrail(id=name, over=total(metric), min=low, max=high)
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
        return Guardrail(id=name, over=total(metric), min=low, max=high)
    return Guardrail(id=name, over=over, per=per, min=low, max=high)


def note_clashes(
    groups: Sequence[Group],
    rails: Sequence[Guardrail],
    ids: Sequence[str],
    bounds: Bounds,
    notes: Notes,
) -> None:
    """Note names that two limits have: prices and conflicts are told by name."""
    taken = {*bounds.names.values(), *(f"{name} min_if_on" for name in ids)}
    for group in groups:
        own = {group.id, group.limit_name("min"), group.limit_name("max")}
        for name in sorted(own & taken):
            notes.add(f"group {group.id!r}: another limit is called {name!r}, too; rename it")
        taken |= own
    for rail in rails:
        if rail.id in taken:
            notes.add(f"guardrail {rail.id!r}: another limit is called so, too; give it an id")
        taken.add(rail.id)


def _fresh(name: str, side: str, rails: Sequence[Guardrail]) -> str:
    taken = {rail.id for rail in rails}
    if name not in taken:
        return name
    candidate, number = f"{name} {side}", 2
    while candidate in taken:
        candidate, number = f"{name} {side} {number}", number + 1
    return candidate
