"""Line bounds with everything folded in that follows from the other limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.allocation.problem import Problem
from pipeline.core.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Box:
    """Least and most spend per line, and the least when there is any (0 for none)."""

    low: FloatArray
    high: FloatArray
    gate: FloatArray

    def take(self, index: IntArray) -> Box:
        """Return the box of the chosen lines."""
        return Box(self.low[index], self.high[index], self.gate[index])

    def holds(self, spend: FloatArray, slack: float = 0.0) -> bool:
        """Return whether a split is inside."""
        inside = (spend >= self.low - slack) & (spend <= self.high + slack)
        if not inside.all():
            return False
        if not self.gate.any():
            return True
        return bool(((spend >= self.gate - slack) | (spend <= slack)).all())


def fold(problem: Problem) -> Box:
    """Return the box of a problem: no line gets more than its groups or the budget can give."""
    low, high = problem.lower.copy(), np.minimum(problem.upper, problem.budget)
    gate = np.zeros(problem.size) if problem.gate is None else problem.gate.copy()
    if problem.groups:
        _cut_to_groups(problem, low, high)
    spare = max(problem.budget - float(low.sum()), 0.0)
    high = np.maximum(np.minimum(high, low + spare), low)
    if problem.gate is None:
        return Box(low, high, gate)
    must = (gate > 0) & (low > 0)
    low = np.where(must, np.maximum(low, gate), low)
    gate = np.where(must | (gate <= low), 0.0, gate)
    shut = (gate > high) & (low == 0)
    high, gate = np.where(shut, 0.0, high), np.where(shut, 0.0, gate)
    return Box(low, np.maximum(high, low), gate)


def _cut_to_groups(problem: Problem, low: FloatArray, high: FloatArray) -> None:
    """Raise floors to those of groups of one line, and cut caps to what groups leave."""
    groups = [group for group in problem.groups if group.members.size]
    sizes = np.array([group.members.size for group in groups])
    if not sizes.size:
        return
    members = np.concatenate([group.members for group in groups])
    first = np.cumsum(sizes) - sizes
    alone = sizes == 1
    least = np.array([group.min for group in groups])
    np.maximum.at(low, members[first[alone]], least[alone])
    floor = np.add.reduceat(low[members], first)
    spare = np.maximum(np.array([group.max for group in groups]) - floor, 0.0)
    np.minimum.at(high, members, low[members] + np.repeat(spare, sizes))
