"""Branch and bound on the spends themselves, every limit kept: slow, general, for what is left.

Every node is a box; its bound is the exact optimum of the envelopes on that box under all nested
limits. The line whose envelope lies highest above its curve is cut where it stands.
"""

from __future__ import annotations

import heapq

import numpy as np

from pipeline.allocation.box import Box
from pipeline.allocation.concave import TreeSolution, solve_tree
from pipeline.allocation.curves import Curves
from pipeline.allocation.nonconvex import legal_value
from pipeline.allocation.tree import Tree
from pipeline.allocation.work import TREE, Work
from pipeline.core.types import FloatArray

_SLACK = 1e-9


def branch(
    curves: Curves,
    box: Box,
    tree: Tree,
    start: FloatArray,
    tolerance: float,
    node_limit: int,
    work: Work,
) -> tuple[FloatArray, float]:
    """Return the best split found, not worse than `start`, and a bound on every split."""
    best, most = start, legal_value(curves, box, start)
    root = _relax(curves, box, tree)
    if root is None:
        return best, most
    heap = [(-root.bound, 0, box, root)]
    closed, count = -np.inf, 0
    while heap:
        negative, _, here, node = heapq.heappop(heap)
        if -negative <= most + tolerance or count >= node_limit or work.is_over:
            closed = max(closed, -negative)
            break
        children = _children(curves, here, node)
        if not children:
            closed = max(closed, -negative)
            continue
        for child in children:
            solved = _relax(curves, child, tree)
            work.spend(TREE * curves.size)
            count += 1
            if solved is None:
                continue
            value = legal_value(curves, box, solved.spend)
            if value > most:
                best, most = solved.spend, value
            heapq.heappush(heap, (-min(solved.bound, -negative), count, child, solved))
    return best, max(closed, most)


def _relax(curves: Curves, box: Box, tree: Tree) -> TreeSolution | None:
    least, most = tree.reach(box.low, box.high)
    slack = _SLACK * np.maximum(np.abs(least), 1e-300)
    if (least > most + slack).any():
        return None
    return solve_tree(curves.envelope(box.low, box.high, box.gate), tree)


def _children(curves: Curves, box: Box, node: TreeSolution) -> list[Box]:
    envelope = curves.envelope(box.low, box.high, box.gate)
    spend = node.spend
    gap = envelope.value(spend) - curves.value(spend)
    hole = (box.gate > 0) & (spend > box.low) & (spend < box.gate)
    least = 1e-13 * abs(node.bound)
    gap[hole] = np.maximum(gap[hole], 2 * least + np.finfo(float).tiny)  # flat there, not allowed
    line = int(np.argmax(gap))
    if gap[line] <= least:
        return []
    low, high = float(box.low[line]), float(box.high[line])
    if hole[line]:
        return [box.cut(line, low, low), box.cut(line, float(box.gate[line]), high)]
    at = float(np.clip(spend[line], low + 0.05 * (high - low), high - 0.05 * (high - low)))
    return [box.cut(line, low, at), box.cut(line, at, high)] if low < at < high else []
