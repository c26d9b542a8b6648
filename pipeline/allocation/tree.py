"""Nested limits as a tree: the total at the root, groups inside groups, lines at the leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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

    def inherit(self, own: FloatArray) -> FloatArray:
        """Return for each node the sum of `own` over itself and its ancestors."""
        out = own.copy()
        for level in self.levels[1:]:
            out[level] += out[self.parent[level]]
        return out

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


def plant(
    n_lines: int,
    total: tuple[float, float],
    members: Sequence[IntArray],
    limits: Sequence[tuple[float, float]],
) -> tuple[Tree, tuple[int, ...]]:
    """Return the tree of the groups that nest, and the indices of those that cut across.

    Larger groups are placed first, so a group cuts across only if a larger one, or one of its
    size given earlier, stands in its way.
    """
    home = np.zeros(n_lines, dtype=np.int64)
    parent, depth, source = [ROOT], [0], [-1]
    crossing: list[int] = []
    for size, same in _by_size(members):
        if size == 0:
            continue
        for batch in _disjoint(n_lines, members, same):
            block = np.stack([members[index] for index in batch])
            homes = home[block]
            above = homes[:, 0]
            nests = (homes == above[:, None]).all(axis=1)
            crossing += [
                index for index, fits in zip(batch, nests.tolist(), strict=True) if not fits
            ]
            placed = np.flatnonzero(nests)
            home[block[placed]] = len(parent) + np.arange(placed.size)[:, None]
            inner = above[placed].tolist()
            parent += inner
            depth += [depth[node] + 1 for node in inner]
            source += [batch[place] for place in placed.tolist()]
    least = [total[0], *(limits[index][0] for index in source[1:])]
    most = [total[1], *(limits[index][1] for index in source[1:])]
    depths = np.array(depth)
    levels = tuple(np.flatnonzero(depths == level) for level in range(max(depth) + 1))
    tree = Tree(np.array(parent), np.array(least), np.array(most), home, levels, np.array(source))
    return tree, tuple(sorted(crossing))


def _by_size(members: Sequence[IntArray]) -> list[tuple[int, list[int]]]:
    """Return the groups' indices by their size, the largest first."""
    found: dict[int, list[int]] = {}
    for index, inside in enumerate(members):
        found.setdefault(inside.size, []).append(index)
    return sorted(found.items(), reverse=True)


def _disjoint(n_lines: int, members: Sequence[IntArray], same: list[int]) -> list[list[int]]:
    """Return groups of one size in batches that share no line: all at once, or one by one."""
    if len(same) == 1:
        return [same]
    counted = np.bincount(np.concatenate([members[index] for index in same]), minlength=n_lines)
    return [same] if counted.max() <= 1 else [[index] for index in same]
