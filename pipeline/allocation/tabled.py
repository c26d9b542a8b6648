"""Curves as tables on shared knots, where a guardrail counts another metric or asks for less.

Then a line's net outcome is a sum of different curves, weighed by prices of either sign, and only
straight pieces have a best spend that can be read off. What the pieces leave out of a curve is
bounded, so that a bound found on the tables is one on the curves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from pipeline.allocation.box import Box
from pipeline.allocation.columns import rail_weight
from pipeline.allocation.curves import Curves
from pipeline.allocation.problem import OUTCOME, SPEND, Problem
from pipeline.allocation.tables import Piecewise
from pipeline.core.errors import ConfigError
from pipeline.core.types import BoolArray, FloatArray

_KNOTS = 257
_STEEP = np.geomspace(1e-15, 1e-4, 48)  # shares of the box: curves may rise without end at 0


@dataclass(frozen=True, slots=True)
class Tabled:
    """A problem whose curves can be read together.

    Attributes:
        is_needed: whether they are tables on shared knots; else they are the problem's own.
        errors: by metric, (n,), the most by which a curve and its table differ.
    """

    problem: Problem
    is_needed: bool
    errors: Mapping[str, FloatArray]

    @classmethod
    def of(cls, problem: Problem, box: Box) -> Self:
        """Return the problem with tables where they are needed.

        Raises:
            ConfigError: they are, and a line's spend has no end.
        """
        if not needs_tables(problem):
            return cls(problem.changed(metrics={}), False, {})
        if not np.isfinite(box.high).all():
            line = problem.ids[int(np.argmax(box.high))]
            raise ConfigError(
                f"line {line!r}: a guardrail that counts another metric or asks for less needs an "
                "end to its spend; give it a max, or give a budget"
            )
        every = {OUTCOME: problem.curves, **problem.metrics}
        if _share_knots(list(every.values())):
            return cls(problem, True, {name: np.zeros(problem.size) for name in every})
        knots, hole = _knots(every, box)
        tables, errors = {}, {}
        for name, curves in every.items():
            values = np.stack([curves.value(column) for column in knots.T], axis=1)
            tables[name] = Curves.of(Piecewise(knots, values), problem.size)
            errors[name] = _error(curves, knots, values, hole)
        main = tables.pop(OUTCOME)
        return cls(problem.changed(curves=main, metrics=tables), True, errors)

    def left_out(self, rail_price: FloatArray, earns: float) -> FloatArray:
        """Return per line the most that the tables leave out of a bound at these prices, (n,)."""
        total = np.zeros(self.problem.size)
        for name, error in self.errors.items():
            weight = rail_weight(self.problem, rail_price, name) + earns * (name == OUTCOME)
            total += np.abs(weight) * error
        return total


def combined(problem: Problem, rail_price: FloatArray) -> Curves:
    """Return tables of the outcome and what guardrails at these prices add to it, money apart."""
    total = np.zeros_like(table_of(problem.curves))
    for name, curves in {OUTCOME: problem.curves, **problem.metrics}.items():
        weight = rail_weight(problem, rail_price, name) + (name == OUTCOME)
        total += weight[:, None] * table_of(curves)
    return Curves.of(Piecewise(knots_of(problem.curves), total), problem.size)


def knots_of(curves: Curves) -> FloatArray:
    """Return the knots of tables, (n, n_knots)."""
    family = curves.families[0]
    return family.knots if isinstance(family, Piecewise) else np.zeros((curves.size, 0))


def table_of(curves: Curves) -> FloatArray:
    """Return the values of tables, (n, n_knots)."""
    family = curves.families[0]
    return family.values if isinstance(family, Piecewise) else np.zeros((curves.size, 0))


def needs_tables(problem: Problem) -> bool:
    """Return whether a guardrail asks for less outcome, or counts another metric."""
    for rail in problem.guardrails:
        for weight, part in rail.terms():
            if part.metric not in (SPEND, OUTCOME) or (part.metric == OUTCOME and weight < 0):
                return True
    return False


def _share_knots(every: list[Curves]) -> bool:
    one = all(len(c.families) == 1 and isinstance(c.families[0], Piecewise) for c in every)
    return one and all(np.array_equal(knots_of(c), knots_of(every[0])) for c in every)


def _knots(every: Mapping[str, Curves], box: Box) -> tuple[FloatArray, BoolArray]:
    """Return knots over the box, and which pieces no plan may stand on.

    Where a curve has a corner or bends the other way, there is a knot.
    """
    gated = (box.gate > 0) & (box.low < box.gate)
    floor = np.where(gated, np.minimum(box.gate, box.high), box.low)
    share = np.concatenate([_STEEP, np.linspace(0, 1, _KNOTS) ** 2])[None, :]
    parts = [box.low[:, None], floor[:, None] + share * (box.high - floor)[:, None]]
    for curves in every.values():
        parts.append(curves.inflection()[:, None])
        for family, where in zip(curves.families, curves.positions, strict=True):
            own = getattr(family, "knots", None)
            if own is not None:
                wide = np.repeat(box.low[:, None], own.shape[1], axis=1)
                wide[where] = own
                parts.append(wide)
    inside = [np.clip(part, box.low[:, None], box.high[:, None]) for part in parts]
    knots = np.sort(np.concatenate(inside, axis=1), axis=1)
    return knots, gated[:, None] & (knots[:, 1:] <= floor[:, None])


def _error(curves: Curves, knots: FloatArray, values: FloatArray, hole: BoolArray) -> FloatArray:
    """Return per line the most by which the curve leaves the straight pieces between its values.

    Between two knots a curve bends one way, so it lies inside the triangle of chord and tangents.
    """
    width = np.diff(knots, axis=1)
    chord = np.diff(values, axis=1) / np.where(width > 0, width, 1.0)
    slopes = np.stack([curves.marginal(column) for column in knots.T], axis=1)
    left, right = np.abs(slopes[:, :-1] - chord), np.abs(chord - slopes[:, 1:])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        high = np.where(np.isinf(left), right, left * right / (left + right)) * width
    straight = hole | (width <= 0) | (np.minimum(left, right) <= 1e-12 * np.abs(chord))
    return np.asarray(np.where(straight, 0.0, np.nan_to_num(high, posinf=0.0)).max(axis=1))
