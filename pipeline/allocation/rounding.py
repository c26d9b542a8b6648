"""From floats to whole minor units without breaking a limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.allocation.neighbours import Whole, best_near
from pipeline.allocation.problem import Problem
from pipeline.allocation.solution import AT
from pipeline.allocation.solve import is_allowed
from pipeline.allocation.tree import ROOT, Sets, Tree, plant
from pipeline.core.errors import ConfigError, InfeasibleError
from pipeline.core.types import FloatArray

_WHOLE = 1e-6  # of a unit: closer than this to a whole number is that number
_DIGIT = float(np.finfo(float).eps)
_COUNTABLE = 2.0**53  # whole numbers from here on are not all floats

KEPT = 2.0
"""Units: a split as near to today's as this is today's, but for what rounding left of it."""


def round_spend(problem: Problem, spend: FloatArray, unit: float) -> FloatArray:
    """Return the split in whole units: line, group and total limits still hold exactly.

    Guardrails hold, too, where whole amounts near the split keep them; `Problem.broken` tells.

    Every amount is rounded down or up. Which ones go up is decided from the root inwards by the
    largest remainder, but a group is never asked for more or less than its limits can take, so a
    cap is kept even where the largest remainder would break it.

    Args:
        unit: the smallest amount, such as 0.01; a total that is to be spent exactly is taken to the
            nearest whole unit, any other is not exceeded.

    Raises:
        ConfigError: the unit is so small that its number cannot be counted.
        InfeasibleError: the limits leave no whole amount, such as a line between 0.1 and 0.2 cents.
    """
    most = max(float(spend.sum()), problem.budget if np.isfinite(problem.budget) else 0.0)
    if most / unit >= _COUNTABLE:
        raise ConfigError(
            f"unit: {most:g} in steps of {unit:g} has more digits than a number can hold; "
            f"give a unit of at least {2 * most / _COUNTABLE:.0e}, or leave unit and currency out"
        )
    total = _total(problem, unit)
    low, high = _whole_up(problem.lower / unit), _whole_down(problem.upper / unit)
    if problem.gate is not None:
        off = spend < problem.gate / 2
        gate = _whole_up(problem.gate / unit)
        low = np.where(off | (problem.gate == 0), low, np.maximum(low, gate))
        high = np.where(off & (problem.gate > 0), low, high)
    floors = np.array([_floor(group.min / unit) for group in problem.groups], dtype=float)
    caps = np.array([_cap(group.max / unit) for group in problem.groups], dtype=float)
    bottom = total if problem.exactly else 0.0
    sets = replace(Sets.of(problem.groups), least=floors, most=caps)
    tree, _ = plant(problem.size, (bottom, total), sets)
    wanted = np.clip(spend / unit, low, high)
    units = _down_the_tree(tree, wanted, low, high)
    whole = Whole(
        low=low,
        high=high,
        least=np.concatenate([[bottom], floors]),
        most=np.concatenate([[total], caps]),
    )
    broken = {rail.id for rail in problem.broken(spend)}  # before rounding: no cent mends these
    kept = tuple(rail for rail in problem.guardrails if rail.id not in broken)
    return amounts_of(_mend(problem.changed(guardrails=kept), units, whole, unit), unit)


def round_or_keep(
    problem: Problem, spend: FloatArray, today: FloatArray, unit: float
) -> FloatArray:
    """Return the split in whole units; today's amounts where only rounding parts it from them.

    What goes on from day to day, in whole units each day, would else wander by a unit.

    Args:
        today: (n_lines,), whole units.

    Raises:
        ConfigError, InfeasibleError: as `round_spend`.
    """
    whole = amounts_of(today / unit, unit)
    is_near = np.abs(spend - whole).max(initial=0.0) <= KEPT * unit
    is_same = abs(float(whole.sum() - spend.sum())) <= unit / 2
    if is_near and is_same and is_allowed(problem, whole):
        return whole
    return round_spend(problem, spend, unit)


def _total(problem: Problem, unit: float) -> float:
    if not np.isfinite(problem.budget):
        return np.inf
    return float(round(problem.budget / unit) if problem.exactly else _cap(problem.budget / unit))


def _down_the_tree(tree: Tree, wanted: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    least, most = tree.reach(low, high)
    if (least > most).any() or (low > high).any():
        raise InfeasibleError("rounding: the limits leave no whole amount; widen them by one unit")
    sums = tree.sums(wanted)
    target = np.zeros(tree.size)
    if tree.least[ROOT] == tree.most[ROOT]:
        target[ROOT] = tree.most[ROOT]
    else:
        # a plan keeps a hair away from limits that do not nest
        full = sums[ROOT] >= most[ROOT] * (1 - AT)
        target[ROOT] = np.clip(
            most[ROOT] if full else _whole_down(sums[ROOT]), least[ROOT], most[ROOT]
        )
    units = np.zeros(wanted.size)
    children: list[list[int]] = [[] for _ in range(tree.size)]
    for node in range(1, tree.size):
        children[int(tree.parent[node])].append(node)
    order = np.argsort(tree.home, kind="stable")
    edges = np.searchsorted(tree.home[order], np.arange(tree.size + 1))
    for node in range(tree.size):
        lines = order[edges[node] : edges[node + 1]]
        inner = np.array(children[node], dtype=np.int64)
        amounts = _share(
            np.concatenate([wanted[lines], sums[inner]]),
            np.concatenate([low[lines], least[inner]]),
            np.concatenate([high[lines], most[inner]]),
            float(target[node]),
        )
        units[lines] = amounts[: lines.size]
        target[inner] = amounts[lines.size :]
    return units


def _share(wanted: FloatArray, low: FloatArray, high: FloatArray, total: float) -> FloatArray:
    """Return whole amounts near the wanted ones, inside their bounds, that add up to the total."""
    amounts = np.clip(_whole_down(wanted), low, high)
    while (rest := total - float(amounts.sum())) != 0:
        step = 1.0 if rest > 0 else -1.0
        room = amounts < high if rest > 0 else amounts > low
        able = np.flatnonzero(room)
        if not able.size:
            raise InfeasibleError("rounding: no whole amounts add up; widen a limit by one unit")
        missing = (wanted[able] - amounts[able]) * step
        first = able[np.argsort(-missing, kind="stable")][: int(min(abs(rest), able.size))]
        laps = max(1.0, np.floor(abs(rest) / able.size))
        room_left = np.where(rest > 0, high[first] - amounts[first], amounts[first] - low[first])
        amounts[first] += step * np.minimum(laps, room_left)
    return amounts


def _mend(problem: Problem, units: FloatArray, whole: Whole, unit: float) -> FloatArray:
    """Return whole amounts that also keep groups that cut across, and guardrails if any near do."""
    fits = whole.holds(problem, units)
    if fits and not problem.broken(amounts_of(units, unit)):
        return units
    mended = best_near(problem, units, whole, unit)
    if mended is None and not fits and problem.guardrails:
        mended = best_near(problem.changed(guardrails=()), units, whole, unit)
    if mended is None and not fits:
        raise InfeasibleError(
            "rounding: groups that cut across leave no whole amounts; widen one by one unit"
        )
    return units if mended is None else mended


def amounts_of(units: FloatArray, unit: float) -> FloatArray:
    """Return the money that whole numbers of units are."""
    per_one = round(1 / unit) if unit < 1 else 0
    if per_one and abs(per_one * unit - 1) < 1e-12:  # dividing gives the nearest float of 12.34
        return np.asarray(np.round(units) / per_one + 0.0)
    return np.asarray(np.round(units) * unit + 0.0)  # which makes -0.0 a 0.0


def _whole_up(amount: FloatArray) -> FloatArray:
    return np.asarray(np.ceil(amount - _hair(amount)))


def _whole_down(amount: FloatArray | float) -> FloatArray:
    return np.asarray(np.floor(np.asarray(amount) + _hair(np.asarray(amount))))


def _hair(amount: FloatArray) -> FloatArray:
    """Return how close to a whole number an amount is that number, the digits of floats counted."""
    finite = np.where(np.isfinite(amount), amount, 0.0)
    return np.asarray(np.clip(4 * _DIGIT * finite, _WHOLE, 0.25))


def _floor(amount: float) -> float:
    return float(_whole_up(np.array(amount)))


def _cap(amount: float) -> float:
    return float(_whole_down(amount))
