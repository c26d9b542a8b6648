"""Curves as JSON values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from pipeline.allocation.curves import Curves, join
from pipeline.allocation.families import FAMILIES
from pipeline.allocation.family import Family, parameters
from pipeline.allocation.notes import Notes, shown
from pipeline.allocation.tables import Piecewise, padded
from pipeline.core.types import FloatArray, IntArray, JsonObject

_POSITIVE = {"half_saturation", "scale", "steepness"}  # parameters that divide or stretch
_NOTHING = {"family": "exponential", "ceiling": 0.0, "scale": 1.0}


def read_curves(curves: Sequence[object], ids: Sequence[str], notes: Notes) -> Curves:
    """Return the curves of all lines; what is wrong with one is noted and replaced by nothing."""
    by_family: dict[str, tuple[list[int], list[Any]]] = {}
    for position, curve in enumerate(curves):
        what = f"line {ids[position]!r}: curve"
        if not isinstance(curve, dict) or "family" not in curve:
            notes.add(f"{what}: need an object with a family, got {shown(curve)}")
            continue
        family = curve["family"]
        if family == "table":
            row: Any = _table(curve, what, notes)
        elif isinstance(family, str) and family in FAMILIES:
            row = _parameters(family, curve, what, notes)
        else:
            need = sorted([*FAMILIES, "table"])
            notes.add(f"{what}: unknown family {shown(family)}, need one of {need}")
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


def _parameters(family: str, curve: JsonObject, what: str, notes: Notes) -> list[float] | None:
    names = list(parameters(FAMILIES[family]))
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


def _table(curve: JsonObject, what: str, notes: Notes) -> tuple[FloatArray, FloatArray] | None:
    before = len(notes.found)
    notes.keys(what, curve, ["family", "x", "y", "spend", "value"])
    x, y = curve.get("x", curve.get("spend")), curve.get("y", curve.get("value"))
    if not isinstance(x, list) or not isinstance(y, list) or len(x) != len(y) or len(x) < 2:
        notes.add(f"{what}: a table needs x and y, two lists of the same length, at least 2")
        return None
    xs = [notes.number(f"{what}.x[{i}]", v) for i, v in enumerate(x)]
    ys = [notes.number(f"{what}.y[{i}]", v, least=-math.inf) for i, v in enumerate(y)]
    if len(notes.found) == before and any(b <= a for a, b in pairwise(xs)):
        notes.add(f"{what}.x: must ascend")
    return (np.array(xs), np.array(ys)) if len(notes.found) == before else None


def read_metrics(
    rows: Sequence[JsonObject], ids: Sequence[str], notes: Notes
) -> tuple[dict[str, Curves], dict[str, FloatArray]]:
    """Return the curves of further metrics, and what comes of them without spend, by name."""
    before = len(notes.found)
    for position, row in enumerate(rows):
        for key in ("metrics", "organic"):
            if row.get(key) is not None and not isinstance(row[key], dict):
                notes.add(f"line {ids[position]!r}: {key}: need an object, got {shown(row[key])}")
    if len(notes.found) > before:
        return {}, {}
    names = sorted({str(n) for row in rows for n in (row.get("metrics") or {})})
    curves: dict[str, Curves] = {}
    for name in names:
        given = [(row.get("metrics") or {}).get(name, _NOTHING) for row in rows]
        curves[name] = read_curves(given, [f"{line} metrics.{name}" for line in ids], notes)
    organic: dict[str, FloatArray] = {}
    for position, row in enumerate(rows):
        for name, value in (row.get("organic") or {}).items():
            column = organic.setdefault(str(name), np.zeros(len(rows)))
            column[position] = notes.number(f"line {ids[position]!r}: organic.{name}", value)
    return curves, organic
