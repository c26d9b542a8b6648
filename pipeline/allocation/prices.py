"""What one more unit of each limit would earn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.allocation.box import Box
from pipeline.allocation.nested import NestedSplit
from pipeline.allocation.problem import Problem
from pipeline.allocation.tree import ROOT, Tree
from pipeline.core.types import BoolArray, FloatArray

_AT = 1e-9  # of a limit: closer than this is at it
_STEP = 1e-12  # of the money: where a curve has a corner, the side is told by this much
_MANY = 500  # groups whose corners are looked into, fewer
_LOOKS = 5_000_000  # where there are very many lines


def nested_prices(problem: Problem, box: Box, tree: Tree, split: NestedSplit) -> FloatArray:
    """Return the price of the budget and of every group, (1 + n_groups,); 0 outside the tree.

    Where curves have corners a limit has one price for one more unit and another for one less;
    this is the one for one more of a cap, found from the lines that would give and take it.
    """
    spend, node_prices = split.spend, split.prices
    # a line that takes all that the others' floors leave has a most that more money would move
    left = (box.high < problem.upper) & (spend >= box.high * (1 - _AT))
    is_smooth = bool(split.smooth[ROOT]) and not left.any()
    if tree.size == 1 and is_smooth:
        if not problem.groups:
            return node_prices
        return np.concatenate([node_prices, np.zeros(len(problem.groups))])
    totals = tree.sums(spend)
    extra = node_prices - node_prices[tree.parent]
    at_most = np.isfinite(tree.most) & (totals >= tree.most * (1 - _AT))
    at_least = (tree.least > 0) & (totals <= tree.least + _AT * np.abs(tree.least))
    own = np.where(at_most | at_least, extra, 0.0)
    own[ROOT] = node_prices[ROOT] if totals[ROOT] >= tree.most[ROOT] * (1 - _AT) else 0.0
    # without a price of its own a full group may still hold its lines: by their boxes, cut to it
    smooth = (extra > 0) & split.smooth & split.smooth[tree.parent]
    unsure = at_most & (extra >= 0) & ~smooth
    unsure &= unsure.cumsum() <= min(_MANY, _LOOKS // problem.size)
    unsure[ROOT] = own[ROOT] != 0 and not is_smooth
    edge = _Edge.of(problem, box, spend) if unsure.any() else None
    for node in np.flatnonzero(unsure).tolist():
        if edge is not None and node != ROOT:
            own[node] = _one_more(problem, edge, tree, totals, node)
        elif edge is not None and (taken := _gain(edge, tree, totals, ROOT)) is not None:
            own[ROOT] = taken if problem.exactly else max(taken, 0.0)
    prices = np.zeros(1 + len(problem.groups))
    prices[1 + tree.source] = own  # the root's source is -1
    return prices


def touched_bounds(problem: Problem, spend: FloatArray) -> tuple[BoolArray, BoolArray]:
    """Return which lines stand at their most, and which of the others at their least."""
    scale = _scale(problem, spend)
    bounded = np.where(np.isfinite(problem.upper), problem.upper, np.inf)
    with np.errstate(invalid="ignore"):
        at_most = spend >= bounded - _AT * np.maximum(bounded, scale * 1e-3)
    at_most &= np.isfinite(bounded)
    return at_most, (problem.lower > 0) & (spend <= problem.lower * (1 + _AT)) & ~at_most


def line_prices(
    problem: Problem,
    touched: tuple[BoolArray, BoolArray],
    marginal: FloatArray,
    line_price: FloatArray,
    weight: FloatArray,
) -> dict[str, float]:
    """Return the price of every line's bound that the plan touches."""
    with np.errstate(invalid="ignore"):
        worth = weight * marginal - line_price
    prices: dict[str, float] = {}
    fixed = problem.lower == problem.upper
    for side, mask, cut in (
        ("max", touched[0], np.where(fixed, worth, np.maximum(worth, 0.0))),
        ("min", touched[1], np.minimum(worth, 0.0)),
    ):
        lines = np.flatnonzero(mask & np.isfinite(worth))
        prices.update(zip(problem.names_of(lines, side), cut[lines].tolist(), strict=True))
    return prices


@dataclass(frozen=True, slots=True)
class _Edge:
    """What a little more and a little less earn on every line, and which lines can do so."""

    more: FloatArray
    less: FloatArray
    can_take: BoolArray
    can_give: BoolArray

    @classmethod
    def of(cls, problem: Problem, box: Box, spend: FloatArray) -> _Edge:
        """Return the edges of a split."""
        scale = _scale(problem, spend)
        step, slack = _STEP * scale, _AT * scale
        can_take = spend < problem.upper - slack
        if box.gate.any():
            can_take &= (spend >= box.gate) | (box.gate == 0)
        more = problem.curves.marginal(spend + step)
        less = problem.curves.marginal(np.maximum(spend - step, 0.0)) if problem.groups else more
        return cls(more, less, can_take, spend > box.low + slack)


def _one_more(problem: Problem, edge: _Edge, tree: Tree, totals: FloatArray, node: int) -> float:
    """Return what a unit more of the node's cap earns, taken from where it earns least."""
    gain = _gain(edge, tree, totals, node)
    if gain is None:
        return 0.0
    full = totals >= tree.most * (1 - _AT)
    above = int(tree.parent[node])
    while above != ROOT and not full[above]:
        above = int(tree.parent[above])
    if above == ROOT and not (full[ROOT] or problem.exactly):
        return max(gain, 0.0)
    giving = _open_path(tree, totals > tree.least * (1 + _AT), above)
    donors = giving[tree.home] & ~tree.under(node)[tree.home] & edge.can_give
    if not donors.any():
        return 0.0
    return max(gain - float(edge.less[donors].min()), 0.0)


def _gain(edge: _Edge, tree: Tree, totals: FloatArray, node: int) -> float | None:
    """Return the best return on a unit more inside the node; None where nothing can take it."""
    taking = edge.can_take
    if tree.size > 1:
        room = totals < tree.most * (1 - _AT)
        taking = taking & _open_path(tree, room | ~np.isfinite(tree.most), node)[tree.home]
    return float(edge.more[taking].max()) if taking.any() else None


def _open_path(tree: Tree, passable: BoolArray, node: int) -> BoolArray:
    """Return which nodes below `node` are reached through passable ones, itself included."""
    reached = np.zeros(tree.size, dtype=bool)
    reached[node] = True
    for level in tree.levels[1:]:
        reached[level] |= reached[tree.parent[level]] & passable[level]
    return reached


def _scale(problem: Problem, spend: FloatArray) -> float:
    budget = problem.budget if np.isfinite(problem.budget) else 0.0
    return max(budget, float(spend.sum()), 1e-300)
