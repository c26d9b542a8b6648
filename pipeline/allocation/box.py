"""Line bounds with everything folded in that follows from the other limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.allocation.problem import Problem
from pipeline.allocation.tree import Sets
from pipeline.core.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Box:
    """Least and most spend per line, and the least when there is any (0 for none)."""

    low: FloatArray
    high: FloatArray
    gate: FloatArray

    def take(self, index: IntArray) -> Box:
        """Return the box of the chosen lines."""
        return Box(self.low[index], self.high[index], self.gate[index])

    def cut(self, line: int, low: float, high: float) -> Box:
        """Return the box with one line's ends moved inwards; a hole that is left closes."""
        lows, highs, gates = self.low.copy(), self.high.copy(), self.gate.copy()
        lows[line], highs[line] = low, high
        if low >= gates[line] or high < gates[line]:
            highs[line] = low if high < gates[line] else high
            gates[line] = 0.0
        return Box(lows, highs, gates)

    def around(self, spend: FloatArray, room: float) -> Box:
        """Return the part no farther than `room` from a split; what is off there stays off."""
        on = 2 * spend >= self.low + self.gate
        low = np.maximum(self.low, np.where(on, np.maximum(spend - room, self.gate), self.low))
        high = np.where(on, np.minimum(self.high, spend + room), low)
        return Box(low, np.maximum(high, low), np.zeros_like(low))

    def holds(self, spend: FloatArray, slack: float = 0.0) -> bool:
        """Return whether a split is inside."""
        inside = (spend >= self.low - slack) & (spend <= self.high + slack)
        if not inside.all():
            return False
        if not self.gate.any():
            return True
        return bool(((spend >= self.gate - slack) | (spend <= slack)).all())


def fold(problem: Problem, sets: Sets) -> Box:
    """Return the box of a problem: no line gets more than its groups or the budget can give.

    What groups can give cuts only curves that are not concave or that may be off: these are known
    better in a smaller box. A concave one would only be held by its box in place of the group,
    whose price would not be seen.

    Args:
        sets: the problem's groups.
    """
    low, high = problem.lower, problem.upper
    cut = problem.curves.bent(low) | ~np.isfinite(high) if problem.groups else np.zeros(0, bool)
    if problem.gate is not None and problem.groups:
        cut |= problem.gate > 0
    if cut.any():
        low, high = low.copy(), high.copy()
        _cut_to_groups(sets, cut, low, high)
    spare = max(problem.budget - float(low.sum()), 0.0)
    if high.size and float(high.max()) > spare:
        most = low + spare
        high = np.maximum(np.minimum(high, most, out=most), low, out=most)
    if problem.gate is None:
        return Box(low, high, np.broadcast_to(0.0, low.shape))
    gate = problem.gate.copy()
    must = (gate > 0) & (low > 0)
    low = np.where(must, np.maximum(low, gate), low)
    gate = np.where(must | (gate <= low), 0.0, gate)
    shut = (gate > high) & (low == 0)
    high, gate = np.where(shut, 0.0, high), np.where(shut, 0.0, gate)
    return Box(low, np.maximum(high, low), gate)


def _cut_to_groups(sets: Sets, cut: BoolArray, low: FloatArray, high: FloatArray) -> None:
    """Raise floors to those of groups of one line, and cut caps to what groups leave."""
    filled = sets.size > 0
    size, least, most = sets.size[filled], sets.least[filled], sets.most[filled]
    if not size.size:
        return
    first = np.cumsum(size) - size
    alone = (size == 1) & cut[sets.lines[first]]
    if alone.any():
        np.maximum.at(low, sets.lines[first[alone]], least[alone])
    inside = low[sets.lines]
    spare = np.maximum(most - np.add.reduceat(inside, first), 0.0)
    inside += np.repeat(spare, size)
    inside[~cut[sets.lines]] = np.inf
    np.minimum.at(high, sets.lines, inside)
