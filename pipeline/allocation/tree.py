"""Nested limits as a tree: the total at the root, groups inside groups, lines at the leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from pipeline.allocation.problem import Group
from pipeline.core.types import BoolArray, FloatArray, IntArray

ROOT = 0


@dataclass(frozen=True, slots=True)
class Tree:
    """A laminar family of limits on sums of spend.

    Attributes:
        parent: (n_nodes,), of each node; a parent comes before its children; the root's is 0.
        least, most: (n_nodes,), limits on the node's total.
        home: (n_lines,), the innermost node that holds the line.
        levels: nodes by depth, the root's level first.
        source: (n_nodes,), which group the node is; -1 for the root.
    """

    parent: IntArray
    least: FloatArray
    most: FloatArray
    home: IntArray
    levels: tuple[IntArray, ...]
    source: IntArray

    @property
    def size(self) -> int:
        """Number of nodes."""
        return self.parent.size

    def sums(self, spend: FloatArray) -> FloatArray:
        """Return every node's total spend, (n_nodes,)."""
        if self.size == 1:
            return np.array([spend.sum()])
        totals = np.bincount(self.home, spend, self.size).astype(float)
        for level in self.levels[:0:-1]:
            totals += np.bincount(self.parent[level], totals[level], self.size)
        return totals

    def under(self, node: int) -> BoolArray:
        """Return which nodes are the node or below it, (n_nodes,)."""
        inside = np.zeros(self.size, dtype=bool)
        inside[node] = True
        for level in self.levels[1:]:
            inside[level] |= inside[self.parent[level]]
        return inside

    def reach(self, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the least and most total that each node can have, limits inside it kept.

        Where the least is above the most, the node's limits contradict those inside it.
        """
        if self.size == 1:
            return np.maximum(low.sum(), self.least), np.minimum(high.sum(), self.most)
        least = np.bincount(self.home, low, self.size).astype(float)
        most = np.bincount(self.home, high, self.size).astype(float)
        for level in self.levels[::-1]:
            least[level] = np.maximum(least[level], self.least[level])
            most[level] = np.minimum(most[level], self.most[level])
            if level[0] != ROOT:
                least += np.bincount(self.parent[level], least[level], self.size)
                most += np.bincount(self.parent[level], most[level], self.size)
        return least, most


_NOBODY = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0)


@dataclass(frozen=True, slots=True)
class Sets:
    """The lines of all groups end to end: there may be very many groups.

    Attributes:
        lines: group after group.
        size: (n_groups,), how many of the lines are each group's.
        least, most: (n_groups,), limits on each group's total.
    """

    lines: IntArray
    size: IntArray
    least: FloatArray
    most: FloatArray

    @classmethod
    def of(cls, groups: Sequence[Group]) -> Self:
        """Return the sets of some groups."""
        if not groups:
            return cls(*_NOBODY)
        members = [group.members for group in groups]
        return cls(
            np.concatenate(members),
            np.fromiter(map(len, members), dtype=np.int64, count=len(members)),
            np.array([group.min for group in groups], dtype=float),
            np.array([group.max for group in groups], dtype=float),
        )

    @property
    def start(self) -> IntArray:
        """Return where each group's lines begin."""
        return np.asarray(np.cumsum(self.size) - self.size)


def plant(n_lines: int, total: tuple[float, float], sets: Sets) -> tuple[Tree, tuple[int, ...]]:
    """Return the tree of the groups that nest, and the indices of those that cut across.

    Larger groups are placed first, so a group cuts across only if a larger one, or one of its
    size given earlier, stands in its way.
    """
    home = np.zeros(n_lines, dtype=np.int64)
    root = np.zeros(1, dtype=np.int64)
    if not sets.size.size:
        least, most = np.array([total[0]]), np.array([total[1]])
        return Tree(root, least, most, home, (root,), root - 1), ()
    parent, source, planted = [root], [root - 1], 1
    crossing: list[int] = []
    depths, start = root, sets.start
    for size in np.unique(sets.size)[::-1].tolist():
        if size == 0:
            continue
        same = np.flatnonzero(sets.size == size)
        for batch, block in _disjoint(n_lines, sets, same, start, size):
            homes = home[block]
            nests = (homes == homes[:, :1]).all(axis=1)
            crossing += batch[~nests].tolist()
            placed = slice(None) if nests.all() else np.flatnonzero(nests)
            inner = homes[placed, 0]
            home[block[placed]] = planted + np.arange(inner.size)[:, None]
            planted += inner.size
            parent.append(inner)
            depths = np.concatenate([depths, depths[inner] + 1])
            source.append(batch[placed])
    origin = np.concatenate(source)
    least = np.concatenate([[total[0]], sets.least[origin[1:]]])
    most = np.concatenate([[total[1]], sets.most[origin[1:]]])
    levels = tuple(np.flatnonzero(depths == level) for level in range(int(depths.max()) + 1))
    tree = Tree(np.concatenate(parent), least, most, home, levels, origin)
    return tree, tuple(sorted(crossing))


def _disjoint(
    n_lines: int, sets: Sets, same: IntArray, start: IntArray, size: int
) -> list[tuple[IntArray, IntArray]]:
    """Return groups of one size with their lines, a row each.

    They come in batches that share no line: all at once, or one by one.
    """
    if same[-1] - same[0] + 1 == same.size:  # as they stand, without a copy
        lines = sets.lines[start[same[0]] :][: same.size * size].reshape(-1, size)
    else:
        lines = sets.lines[start[same][:, None] + np.arange(size)]
    met = np.zeros(n_lines, dtype=bool)
    met[lines] = True
    if np.count_nonzero(met) == lines.size:
        return [(same, lines)]
    return [(same[[place]], lines[[place]]) for place in range(same.size)]
