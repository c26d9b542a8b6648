"""The best split under limits that nest, on any curves, with a bound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.allocation.box import Box
from pipeline.allocation.concave import solve_tree
from pipeline.allocation.curves import Curves
from pipeline.allocation.nonconvex import legal_value, polish, refine, split_sides
from pipeline.allocation.spatial import branch
from pipeline.allocation.tree import Tree
from pipeline.allocation.work import Work
from pipeline.core.types import BoolArray, FloatArray

AIM = 1e-4
"""Relative gap that branching stops at."""
_AIM_LARGE = 5e-4  # for more lines than
_LARGE = 2000
_NODES = 400  # per group
_SPATIAL_NODES = 40  # at least
_SPATIAL_WORK = 20_000  # nodes times lines


@dataclass(frozen=True, slots=True)
class NestedSplit:
    """A split inside the nested limits.

    Attributes:
        value: what it earns; minus infinity where no legal one was found.
        bound: no split inside the limits earns more.
        prices: (n_nodes,), what one more unit of money inside the node earns.
        smooth: (n_nodes,), whether the price is known to be that of one unit more and of one less.
    """

    spend: FloatArray
    value: float
    bound: float
    prices: FloatArray
    smooth: BoolArray


def aim_of(size: int) -> float:
    """Return the relative gap to aim for with so many lines."""
    return AIM if size <= _LARGE else _AIM_LARGE


def solve_nested(
    curves: Curves,
    box: Box,
    tree: Tree,
    work: Work,
    *,
    start: float | None = None,
    extra: float = 0.0,
    charged: float = 0.0,
) -> NestedSplit:
    """Return the best split under limits that can be met.

    Args:
        start: a price to begin with, such as yesterday's.
        extra: an outcome that comes on top, when a relative gap is judged.
        charged: what a unit of money costs apart from the limits here, roughly.
    """
    envelope = curves.envelope(box.low, box.high, box.gate if box.gate.any() else None)
    solved = solve_tree(envelope, tree, start)
    spend, bound = solved.spend, solved.bound
    # a split of exact curves is inside the box, and may be on wherever it is
    earned = solved.value if envelope.is_exact else legal_value(curves, box, spend)
    found = NestedSplit(spend, earned, bound, solved.prices, solved.smooth)
    share = aim_of(curves.size)
    if bound - earned <= share * abs(bound + extra):
        return found
    whole = abs(earned + extra) if np.isfinite(earned) else 0.0
    aim = share * max(whole, 0.1 * abs(bound + extra))
    spend, bound = refine(curves, box, tree, solved, aim, _NODES, work, charged)
    if bound - legal_value(curves, box, spend) > aim:
        nodes = max(_SPATIAL_NODES, _SPATIAL_WORK // curves.size)
        spend, proven = branch(curves, box, tree, spend, aim, nodes, work)
        bound = min(bound, proven)
    value = legal_value(curves, box, spend)
    settled = polish(curves, box, split_sides(curves, box), tree, spend)
    if settled is None or (better := legal_value(curves, box, settled.spend)) < value:
        unsure = np.zeros(tree.size, dtype=bool)
        return NestedSplit(spend, value, bound, solved.prices, unsure)
    return NestedSplit(settled.spend, better, bound, settled.prices, settled.smooth)
