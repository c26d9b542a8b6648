"""Concave curves under nested limits: exact, by finding one price per binding limit.

At the best split every line takes the spend whose marginal return is the price of its innermost
binding limit. What a group wants at an outside price is the sum of what its members want, cut to
its limits; that holds at every level, so the root's price needs one search. A group that is cut
has a price of its own, found in the same way inside it; all such groups are searched together.

Source: Gibbons (1950) water-filling; nesting as in Hochbaum (1994), "Lower and upper bounds for
the allocation problem and other nonlinear optimization problems".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.allocation.branch import CLOSE, Asking, Branch
from pipeline.allocation.envelope import Envelope
from pipeline.allocation.search import Found, search_prices, unknown
from pipeline.allocation.tree import ROOT, Tree
from pipeline.allocation.waterfill import fill, first_price
from pipeline.core.types import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class TreeSolution:
    """A split with its prices.

    Attributes:
        spend: (n_lines,)
        prices: (n_nodes,), what one more unit of money inside the node earns.
        value: of the concave curves.
        bound: the dual's value: no split inside the limits earns more.
        smooth: (n_nodes,), whether the price is known to be that of one unit more and of one less.
    """

    spend: FloatArray
    prices: FloatArray
    value: float
    bound: float
    smooth: BoolArray


def solve_tree(envelope: Envelope, tree: Tree, start: float | None = None) -> TreeSolution:
    """Return the best split of concave curves under nested limits that can be met.

    Args:
        start: a price to begin with, such as yesterday's.
    """
    if tree.size == 1:
        level = fill(envelope, float(tree.least[ROOT]), float(tree.most[ROOT]), start)
        if level is not None:
            prices = np.array([level.price])
            every = np.ones(1, dtype=bool)
            return TreeSolution(level.spend, prices, level.value, level.bound, every)
    spend, prices = np.zeros(envelope.low.size), np.zeros(tree.size)
    smooth = np.zeros(tree.size, dtype=bool)
    branch, asking, found = _root(envelope, tree, start)
    while True:
        if found is None:
            guess = asking.guess
            if not guess.all():
                guess = np.where(guess > 0, guess, branch.first_price(asking.target))
            found = search_prices(branch, asking.target, guess, (asking.low, asking.high))
        smooth[branch.nodes] = found.moving[branch.owner]
        asking = branch.settle(found.low, found.high, asking.target, spend, prices, found.demand)
        if not asking.nodes.size:
            break
        branch, found = branch.below(asking.nodes), None
    value = float(envelope.value(spend).sum())
    bound = max(value, dual_bound(envelope, tree, prices))
    return TreeSolution(spend, prices, value, bound, smooth)


def dual_bound(envelope: Envelope, tree: Tree, prices: FloatArray) -> float:
    """Return an upper bound on the value of every split, from any prices per node."""
    line_price = prices[tree.home]
    best, _ = envelope.demand(line_price)
    outer = prices[tree.parent].copy()
    outer[ROOT] = 0.0
    extra = prices - outer
    limit = np.where(extra > 0, tree.most, tree.least)
    # where floors take all the money no price is high enough, and the only plan is its own bound
    with np.errstate(over="ignore", invalid="ignore"):
        paid = extra[extra != 0] @ limit[extra != 0]
        return float((envelope.value(best) - line_price * best).sum() + paid)


def _root(
    envelope: Envelope, tree: Tree, start: float | None
) -> tuple[Branch, Asking, Found | None]:
    """Return the root as what asks for a price; with the price where none is needed."""
    branch = Branch.whole(envelope, tree)
    target, found = tree.most[:1].copy(), None
    if tree.least[ROOT] != tree.most[ROOT]:
        total = branch.demand(np.zeros(1), keep=False).raw[:1]
        target = np.clip(total, tree.least[ROOT], tree.most[ROOT])
        if (np.abs(total - target) <= CLOSE * np.abs(target)).all():
            found = Found(np.zeros(1), np.zeros(1), np.zeros(1, dtype=bool))
    if start is None or not start > 0:
        start = 0.0
        if np.isfinite(target).all():
            floor, full = float(envelope.low.sum()), float(envelope.high.sum())
            start = first_price(envelope, (float(target[0]) - floor) / max(full - floor, 1e-300))
    return branch, Asking(np.array([ROOT]), target, np.array([start]), *unknown(1)), found
