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

from pipeline.allocation.branch import CLOSE, SETTLED, Branch
from pipeline.allocation.envelope import Envelope
from pipeline.allocation.search import search_prices
from pipeline.allocation.tree import ROOT, Tree
from pipeline.core.types import FloatArray, IntArray

_SAMPLE = 4096  # lines that find the first price of a large problem
_ONE_PRICE_STEPS = 30
_NEAR = 1e-8  # of the target: from here the rest is spread, which costs 1e-16 of the outcome


@dataclass(frozen=True, slots=True)
class TreeSolution:
    """A split with its prices.

    Attributes:
        spend: (n_lines,)
        prices: (n_nodes,), what one more unit of money inside the node earns.
        value: of the concave curves.
        bound: the dual's value: no split inside the limits earns more.
    """

    spend: FloatArray
    prices: FloatArray
    value: float
    bound: float


def solve_tree(envelope: Envelope, tree: Tree, start: float | None = None) -> TreeSolution:
    """Return the best split of concave curves under nested limits that can be met.

    Args:
        start: a price to begin with, such as yesterday's.
    """
    spend = np.zeros(envelope.low.size)
    prices = np.zeros(tree.size)
    if tree.size == 1 and (alone := _one_price(envelope, tree, start)) is not None:
        return alone
    active, target, low, high = _root(envelope, tree)
    first = np.array([start]) if start is not None and start > 0 else None
    while active.size:
        branch = Branch.of(envelope, tree, active)
        if low is None or high is None:
            guess = first if first is not None else _first_price(branch, target)
            low, high = search_prices(branch, target, guess)
        first = None
        active, target = branch.settle(low, high, target, spend, prices)
        low = high = None
    value = float(envelope.value(spend).sum())
    return TreeSolution(spend, prices, value, max(value, dual_bound(envelope, tree, prices)))


def dual_bound(envelope: Envelope, tree: Tree, prices: FloatArray) -> float:
    """Return an upper bound on the value of every split, from any prices per node."""
    line_price = prices[tree.home]
    best, _ = envelope.demand(line_price)
    outer = prices[tree.parent].copy()
    outer[ROOT] = 0.0
    extra = prices - outer
    limit = np.where(extra > 0, tree.most, tree.least)
    paid = extra[extra != 0] @ limit[extra != 0]
    return float((envelope.value(best) - line_price * best).sum() + paid)


def _one_price(envelope: Envelope, tree: Tree, start: float | None) -> TreeSolution | None:
    """Return the split where the total is the only limit and smooth curves meet it, else None.

    Newton on the logs of price and total; a jump on the way leaves it to the general search.
    """
    target = float(tree.most[ROOT])
    full = float(envelope.high.sum())
    if not float(envelope.low.sum()) < target < full * (1 - SETTLED):
        return None
    if tree.least[ROOT] < target:
        least, _ = envelope.demand(np.zeros(envelope.low.size))
        if float(least.sum()) <= target:
            return None
    price, error, near = start, np.inf, np.zeros(envelope.low.size)
    if price is None or not price > 0:
        price = float(_first_price(Branch.of(envelope, tree, np.array([ROOT])), tree.most)[0])
    for _ in range(_ONE_PRICE_STEPS):
        total, slope = envelope.total(price, near)
        over = total - target
        if abs(over) <= _NEAR * target and slope < 0:
            closed = _closed(envelope, price, over, slope, near)
            if abs(float(closed.spend.sum()) - target) <= SETTLED * target:
                return closed
        if not (slope < 0 and abs(over) < 0.5 * error):
            return None
        error = abs(over)
        price *= float(np.exp(np.clip(np.log(target / total) * total / slope, -40, 40)))
    return None


def _closed(
    envelope: Envelope, price: float, over: float, slope: float, near: FloatArray
) -> TreeSolution:
    """Return the split at a price, what it is over its target taken from the lines that respond.

    The price earns what it earns whatever the split, so the bound holds; the outcome lost by a
    price that is off by a little is of the order of its square.
    """
    spend, response = envelope.demand(np.array([price]), near)
    bound = float(envelope.value(spend).sum()) - price * over
    response *= -over / slope
    spend += response
    np.clip(spend, envelope.low, envelope.high, out=spend)
    value = float(envelope.value(spend).sum())
    return TreeSolution(spend, np.array([price]), value, max(value, bound))


def _root(
    envelope: Envelope, tree: Tree
) -> tuple[IntArray, FloatArray, FloatArray | None, FloatArray | None]:
    """Return the root with its target; with prices where no price is needed."""
    active = np.array([ROOT])
    branch = Branch.of(envelope, tree, active)
    if tree.least[ROOT] == tree.most[ROOT]:
        return active, tree.most[:1].copy(), None, None
    wanted = branch.demand(np.zeros(1)).totals
    target = np.clip(wanted, tree.least[ROOT], tree.most[ROOT])
    free = bool((np.abs(wanted - target) <= CLOSE * np.abs(target)).all())
    price = np.zeros(1) if free else None
    return active, target, price, price


def _first_price(branch: Branch, target: FloatArray) -> FloatArray:
    """Return where the search begins; a large problem asks a sample of its lines first."""
    if branch.active.size == 1 and branch.home.size > 4 * _SAMPLE:
        return _sampled_price(branch, target)
    return branch.first_price(target)


def _sampled_price(branch: Branch, target: FloatArray) -> FloatArray:
    chosen = np.arange(0, branch.home.size, branch.home.size // _SAMPLE)
    sample = branch.envelope.take(chosen)
    floor, room = branch.envelope.low.sum(), (branch.envelope.high - branch.envelope.low).sum()
    share = (target[0] - floor) / room if room > 0 else 0.0
    aim = sample.low.sum() + share * (sample.high - sample.low).sum()
    alone = np.zeros(1, dtype=np.int64)
    tree = Tree(
        alone, np.array([aim]), np.array([aim]), np.zeros(chosen.size, dtype=np.int64),
        (alone,), alone - 1,
    )  # fmt: skip
    price = solve_tree(sample, tree).prices
    return np.where(price > 0, price, 1.0)
