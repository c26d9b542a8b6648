"""The best whole amounts near a split that keep what rounding alone may break.

Groups that cut across and guardrails are sums over lines, so that every line may choose among the
whole amounts around its own and the best choice is an integer program, exact on any curves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.allocation.columns import rail_terms
from pipeline.allocation.problem import Problem
from pipeline.core.types import BoolArray, FloatArray, IntArray

_REACHES = (1, 3)  # units that a line may move
_CHOICES = 4000  # in all, up to which every amount is tried where no near one will do
_MOVED = 100  # lines of every limit that are tried before all are
_CLOSE, _NEAR = 1e-4, 0.1  # of what the choice changes; where lines are many, that is cents
_NODES = 500  # of the integer program, counted so that the same plan gives the same bytes
_HAIR = 2e-6  # of a guardrail's largest step: more than the program's own tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """Limits in whole units.

    Attributes:
        low, high: (n_lines,)
        least, most: (1 + n_groups,), the total first, then the groups in their order.
    """

    low: FloatArray
    high: FloatArray
    least: FloatArray
    most: FloatArray

    def holds(self, problem: Problem, units: FloatArray) -> bool:
        """Return whether whole amounts keep the total and every group."""
        sums = [units.sum(), *(units[group.members].sum() for group in problem.groups)]
        return bool((self.least <= sums).all() and (sums <= self.most).all())


def best_near(problem: Problem, units: FloatArray, whole: Whole, unit: float) -> FloatArray | None:
    """Return the whole amounts near these that earn most inside all limits; None if none do.

    Nearer ones are tried first. Where lines and amounts are few, all of them are.

    Args:
        units: (n_lines,), whole amounts inside the lines' own limits.
    """
    for movable, reach in _attempts(problem, units, whole, unit):
        choices = _Choices.of(problem, units, whole, unit, np.where(movable, reach, 0))
        for hair in (0.0, _HAIR):
            found = choices.best(problem, units, whole, hair)
            if found is None:
                break
            if whole.holds(problem, found) and not problem.broken(found * unit):
                return found
    return None


def _attempts(
    problem: Problem, units: FloatArray, whole: Whole, unit: float
) -> Iterator[tuple[BoolArray, int]]:
    """Return which lines may move and how far, the least work first."""
    size, every = units.size, np.ones(units.size, dtype=bool)
    if size > 2 * _MOVED:
        some = _some(problem, units, whole, unit)
        yield from ((some, reach) for reach in _REACHES)
    reaches = [reach for reach in _REACHES if size * (2 * reach + 1) <= _CHOICES]
    if not reaches and not whole.holds(problem, units):
        reaches = list(_REACHES)
    yield from ((every, reach) for reach in reaches)
    width = _CHOICES // size
    room = float((np.minimum(whole.high, whole.most[0]) - whole.low).max())
    if width > 2 * _REACHES[-1] + 1 and room < width:
        yield every, int(room) + 1


def _some(problem: Problem, units: FloatArray, whole: Whole, unit: float) -> BoolArray:
    """Return some lines of every limit that is broken, and some of all."""
    of = [np.arange(units.size)]
    for group, least, most in zip(problem.groups, whole.least[1:], whole.most[1:], strict=True):
        if not least <= units[group.members].sum() <= most:
            of.append(group.members)
    for rail in problem.broken(units * unit):
        of += [part.members for _, part in rail.terms() if part.members is not None]
    chosen = np.zeros(units.size, dtype=bool)
    for lines in of:
        spread = np.linspace(0, lines.size - 1, min(_MOVED, lines.size))
        chosen[lines[spread.astype(np.int64)]] = True
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choices:
    """What lines may be given instead: which line, how much, what that changes.

    Attributes:
        line: (n_choices,)
        units: (n_choices,)
        value: (n_choices,), earned beyond what the split earns.
        rails: (n_choices, n_guardrails), added to each guardrail's sum.
        short: (n_guardrails,), what the split lacks.
    """

    line: IntArray
    units: FloatArray
    value: FloatArray
    rails: FloatArray
    short: FloatArray

    @classmethod
    def of(
        cls, problem: Problem, units: FloatArray, whole: Whole, unit: float, reach: IntArray
    ) -> _Choices:
        value, rails = problem.curves.value(units * unit), rail_terms(problem, units * unit)
        parts = []
        for step in range(-int(reach.max()), int(reach.max()) + 1):
            moved = units + step
            inside = (moved >= whole.low) & (moved <= whole.high)
            lines = np.flatnonzero(inside & (abs(step) <= reach))
            spend = np.clip(moved, whole.low, whole.high) * unit
            earned, added = problem.curves.value(spend) - value, rail_terms(problem, spend) - rails
            parts.append((lines, moved[lines], earned[lines], added[lines]))
        line, amounts, gains, terms = (
            np.concatenate([part[i] for part in parts]) for i in range(4)
        )
        slack = np.array([problem.slack(rail, units * unit) for rail in problem.guardrails])
        return cls(line=line, units=amounts, value=gains, rails=terms, short=-slack)

    def best(
        self, problem: Problem, units: FloatArray, whole: Whole, hair: float
    ) -> FloatArray | None:
        """Return the choice that earns most, (n_lines,) whole amounts; None if none was found."""
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_matrix, vstack

        count, size = self.line.size, units.size
        every = np.arange(count)
        pick = csr_matrix((np.ones(count), (self.line, every)), shape=(size, count))
        inside = np.zeros((1 + len(problem.groups), size))
        inside[0] = 1.0
        for row, group in enumerate(problem.groups, start=1):
            inside[row, group.members] = 1.0
        sums = csr_matrix(inside[:, self.line] * self.units)
        largest = np.abs(self.rails).max(axis=0, initial=0.0)
        scale = np.where(largest > 0, largest, 1.0)
        kept = csr_matrix((self.rails / scale).T)
        solved = milp(
            -self.value / max(float(np.abs(self.value).max()), 1e-300),
            integrality=np.ones(count, dtype=np.int64),
            bounds=Bounds(0, 1),
            constraints=[
                LinearConstraint(pick, 1, 1),
                LinearConstraint(
                    vstack([sums, kept]).tocsr(),
                    np.concatenate([whole.least, self.short / scale + hair]),
                    np.concatenate([whole.most, np.full(scale.size, np.inf)]),
                ),
            ],
            options={"node_limit": _NODES, "mip_rel_gap": _CLOSE if size <= 2 * _MOVED else _NEAR},
        )
        if solved.x is None:
            return None
        return np.asarray(np.bincount(self.line, np.round(solved.x) * self.units, size))
