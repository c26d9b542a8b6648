"""Curves that are not concave, under nested limits: from the relaxed split to a proven one.

Relaxing every curve to its envelope gives a bound and a split in which, per binding limit, at most
one line stands where its envelope lies above it. Every group whose limit binds is then a small
problem of its own (`blocks`), solved inside out: what a solved group can earn at each outside
price takes its place in the group around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.allocation.blocks import (
    Block,
    BlockResult,
    Leaf,
    Sides,
    rent,
    solve_block,
    tabulate,
)
from pipeline.allocation.box import Box
from pipeline.allocation.concave import TreeSolution, solve_tree
from pipeline.allocation.curves import Curves
from pipeline.allocation.hulls import cut_knots
from pipeline.allocation.tables import Piecewise
from pipeline.allocation.tree import ROOT, Tree
from pipeline.allocation.work import Work
from pipeline.core.types import BoolArray, FloatArray, IntArray

_NEAR = np.linspace(-0.7, 0.7, 127)  # log price around the relaxed one; the middle is exact
_FAR = np.geomspace(0.8, 6.0, 14)
_LIMIT_SLACK = 1e-9
_ROUNDS = 4  # each adds the limits that the last one's split broke


@dataclass(frozen=True, slots=True)
class _Solved:
    """What a block hands to the one around it."""

    leaves: tuple[Leaf, ...]
    prices: FloatArray
    least: float
    most: float

    def earns(self, outside: FloatArray) -> FloatArray:
        """Return an upper bound on the net outcome at each outside price."""
        extra = rent(self.prices, outside, self.least, self.most)
        best = np.full(outside.size, -np.inf)
        for leaf in self.leaves:
            best = np.maximum(best, (leaf.dual[:, None] + extra).min(axis=0))
        return best


def split_sides(curves: Curves, box: Box) -> Sides:
    """Return where each line is off and on; lines that are concave on their box are only on."""
    off_low, off_high = np.full(curves.size, np.nan), np.full(curves.size, np.nan)
    on_low, on_high = box.low.copy(), box.high.copy()
    bend = np.minimum(curves.inflection(), box.high)
    bent = bend > box.low
    for family, where in zip(curves.families, curves.positions, strict=True):
        if isinstance(family, Piecewise):
            part = box.take(where)
            bend[where] = _widest_gap(family, part)
            bent[where] = bend[where] > part.low
    off_low[bent], off_high[bent], on_low[bent] = box.low[bent], bend[bent], bend[bent]
    straight = bent & (bend >= box.high)
    off_low[straight] = off_high[straight] = np.nan
    on_low[straight] = box.low[straight]
    gated = (box.gate > 0) & (box.low < box.gate) & (box.high > 0)
    off_low[gated] = off_high[gated] = box.low[gated]
    on_low[gated] = np.minimum(box.gate[gated], box.high[gated])
    return Sides(off_low, off_high, on_low, on_high)


def _widest_gap(family: Piecewise, box: Box) -> FloatArray:
    """Return per line the knot that lies farthest below the line's hull, or its floor."""
    knots, values = cut_knots(family, box.low, box.high, np.zeros_like(box.low))
    hull = Curves.of(family, box.low.size).envelope(box.low, box.high)
    above = np.stack([hull.value(column) for column in knots.T], axis=1) - values
    scale = np.abs(values).max(axis=1) * 1e-12
    rows = np.arange(box.low.size)
    worst = above.argmax(axis=1)
    return np.where(above[rows, worst] > scale, knots[rows, worst], box.low)


def refine(
    curves: Curves,
    box: Box,
    tree: Tree,
    relaxed: TreeSolution,
    tolerance: float,
    node_limit: int,
    work: Work,
    charged: float = 0.0,
) -> tuple[FloatArray, float]:
    """Return a better split than the relaxed one and a tighter bound on every split.

    Args:
        tolerance: gap to aim for, in units of outcome.
        node_limit: most branchings per group.
        charged: what the curves already take off for a unit of money, roughly.
    """
    sides = split_sides(curves, box)
    binding = _binding(tree, relaxed)
    best, bound = [relaxed.spend], relaxed.bound
    for _ in range(_ROUNDS):
        spend, proven = _inside_out(
            curves, box, sides, tree, relaxed, binding, tolerance, node_limit, work, charged
        )
        best.append(spend)
        bound = min(bound, proven)
        totals = tree.sums(spend)
        slack = _LIMIT_SLACK * max(float(totals[ROOT]), 1e-300)
        broken = ((totals > tree.most + slack) | (totals < tree.least - slack)) & ~binding
        if not broken.any() or work.is_over:
            break
        binding |= broken
    return _best_of(curves, box, sides, tree, best), bound


def _inside_out(
    curves: Curves,
    box: Box,
    sides: Sides,
    tree: Tree,
    relaxed: TreeSolution,
    binding: BoolArray,
    tolerance: float,
    node_limit: int,
    work: Work,
    charged: float,
) -> tuple[FloatArray, float]:
    """Return the split that the blocks of the binding limits make, and its bound.

    Limits that are not binding are left out, so the split may break one of them.
    """
    block_of = np.arange(tree.size)
    for level in tree.levels[1:]:
        loose = level[~binding[level]]
        block_of[loose] = block_of[tree.parent[loose]]
    earned = np.abs(curves.value(relaxed.spend))
    total = float(earned.sum()) or 1.0
    spend = relaxed.spend.copy()
    solved: dict[int, _Solved] = {}
    bound = relaxed.bound
    for node in np.flatnonzero(binding)[::-1].tolist():
        lines = np.flatnonzero(block_of[tree.home] == node)
        inner = [solved[c] for c in solved if block_of[tree.parent[c]] == node]
        inside = _inside(tree, block_of, spend, curves, node)
        block = _block(curves, sides, tree, relaxed, node, lines, inner, inside, charged)
        share = tolerance * (0.05 + 0.45 * float(earned[lines].sum()) / total)
        result = solve_block(block, share, node_limit, work)
        if box.take(lines).holds(relaxed.spend[lines]):
            result = _at_least(block, result, relaxed.spend[lines])
        if result.spend is not None:
            spend[lines] = result.spend
        solved[node] = _Solved(result.leaves, block.prices, block.least, block.most)
        if node == ROOT:
            bound = max(leaf.bound for leaf in result.leaves)
    return spend, bound


def _binding(tree: Tree, relaxed: TreeSolution) -> BoolArray:
    extra = np.abs(relaxed.prices - relaxed.prices[tree.parent])
    binding = extra > 1e-9 * np.abs(relaxed.prices).max(initial=0.0)
    binding[ROOT] = True
    return np.asarray(binding)


def _inside(
    tree: Tree, block_of: IntArray, spend: FloatArray, curves: Curves, node: int
) -> tuple[float, float]:
    """Return what the lines of the blocks inside a block spend and earn in their own plans."""
    below = tree.under(node)
    lines = np.flatnonzero(below[tree.home] & (block_of[tree.home] != node))
    if not lines.size:
        return 0.0, 0.0
    inner = spend[lines]
    return float(inner.sum()), float(curves.take(lines).value(inner).sum())


def _block(
    curves: Curves,
    sides: Sides,
    tree: Tree,
    relaxed: TreeSolution,
    node: int,
    lines: IntArray,
    inner: list[_Solved],
    inside: tuple[float, float],
    charged: float,
) -> Block:
    outside = 0.0 if node == ROOT else float(relaxed.prices[tree.parent[node]])
    prices = _grid(float(relaxed.prices[node]), outside, charged)
    mine = Sides(
        sides.off_low[lines], sides.off_high[lines], sides.on_low[lines], sides.on_high[lines]
    )
    chosen = curves.take(lines)
    return Block(
        curves=chosen,
        prices=prices,
        sides=mine,
        tables=tabulate(chosen, mine, prices),
        least=float(tree.least[node]),
        most=float(tree.most[node]),
        outside=outside,
        inner=np.sum([item.earns(prices) for item in inner], axis=0) + np.zeros(prices.size),
        inner_spend=inside[0],
        inner_value=inside[1],
    )


def _grid(price: float, outside: float, charged: float) -> FloatArray:
    """Return prices around one, in shares of it and of what the curves' money costs anyway."""
    logs = np.concatenate([-_FAR, _NEAR, _FAR])
    parts = [np.array([price, outside])]
    if price != 0:
        parts.append(price * np.exp(logs))
    if charged > 0:
        parts.append((price + charged) * np.exp(logs) - charged)
    return np.unique(np.concatenate(parts))


def _at_least(block: Block, result: BlockResult, relaxed: FloatArray) -> BlockResult:
    """Return the result with the relaxed split in place of a worse one."""
    total = float(relaxed.sum()) + block.inner_spend
    slack = _LIMIT_SLACK * max(block.most, 1e-300)
    if not block.least - slack <= total <= block.most + slack:
        return result
    net = float(block.curves.value(relaxed).sum()) + block.inner_value - block.outside * total
    if net <= result.net:
        return result
    return BlockResult(relaxed, net, max(result.bound, net), result.leaves, result.nodes)


def _best_of(
    curves: Curves, box: Box, sides: Sides, tree: Tree, spends: list[FloatArray]
) -> FloatArray:
    """Return the best of the splits, each polished with its lines kept on their sides."""
    best = spends[0]
    most = legal_value(curves, box, best)
    for spend in spends:
        for snapped in (spend, *_snapped(sides, spend)):
            better = polish(curves, box, sides, tree, snapped)
            if better is not None and (value := legal_value(curves, box, better.spend)) > most:
                best, most = better.spend, value
    return best


def legal_value(curves: Curves, box: Box, spend: FloatArray) -> float:
    """Return the outcome; minus infinity where a line is on with less than it may be."""
    slack = _LIMIT_SLACK * max(float(spend.sum()), 1e-300)
    if not box.holds(spend, slack):
        return -np.inf
    return float(curves.value(spend).sum())


def _snapped(sides: Sides, spend: FloatArray) -> list[FloatArray]:
    """Return the split with the lines that stand inside a convex stretch put to either end."""
    inside = (spend > sides.off_low) & (spend < sides.on_low)
    if not inside.any():
        return []
    return [np.where(inside, sides.off_low, spend), np.where(inside, sides.on_low, spend)]


def polish(
    curves: Curves, box: Box, sides: Sides, tree: Tree, spend: FloatArray
) -> TreeSolution | None:
    """Return the best split with every line on the side where it is; None if limits forbid it.

    A line that is off stays where it is, so the rest is concave and its optimum exact.
    """
    on = np.isnan(sides.off_low) | (spend >= sides.on_low)
    convex = np.isnan(sides.off_low) & (curves.inflection() >= box.high)
    kept = np.clip(spend, box.low, box.high)
    low = np.where(on & ~convex, sides.on_low, kept)
    high = np.where(on & ~convex, sides.on_high, kept)
    least, most = tree.reach(low, high)
    slack = _LIMIT_SLACK * np.maximum(np.abs(tree.most), np.abs(tree.least))
    slack = np.where(np.isfinite(slack), slack, 0.0)
    if (least > tree.most + slack).any() or (most < tree.least - slack).any():
        return None
    return solve_tree(curves.envelope(low, high), tree)
