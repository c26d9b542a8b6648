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

from pipeline.allocation.envelope import Envelope
from pipeline.allocation.tree import ROOT, Tree
from pipeline.core.types import BoolArray, FloatArray, IntArray

_CLOSE = 1e-14  # of the target; what is left is spread over the lines that are free
_SETTLED = 1e-12  # of the target; less than this is not worth a price of its own
_LARGEST = np.finfo(float).max
_SAMPLE = 4096  # lines that find the first price of a large problem
_STEPS = 300
_ONE_PRICE_STEPS = 30
_SHRINKING = 14  # halvings that settle a float's exponent


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
        branch = _Branch.of(envelope, tree, active)
        if low is None or high is None:
            guess = first if first is not None else branch.first_price(target)
            low, high = _search(branch, target, guess)
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
    if not float(envelope.low.sum()) < target < full * (1 - _SETTLED):
        return None
    if tree.least[ROOT] < target:
        least, _ = envelope.demand(np.zeros(envelope.low.size))
        if float(least.sum()) <= target:
            return None
    price, error, near = start, np.inf, np.zeros(envelope.low.size)
    if price is None or not price > 0:
        price = float(_Branch.of(envelope, tree, np.array([ROOT])).first_price(tree.most)[0])
    for _ in range(_ONE_PRICE_STEPS):
        spend, response = envelope.demand(np.full(envelope.low.size, price), near)
        total, slope = float(spend.sum()), float(response.sum())
        over = total - target
        if abs(over) <= _CLOSE * target and slope < 0:
            value = float(envelope.value(spend).sum())
            bound = value - price * over
            closed = np.clip(spend - over / slope * response, envelope.low, envelope.high)
            return TreeSolution(closed, np.array([price]), value, max(value, bound))
        if not (slope < 0 and abs(over) < 0.5 * error):
            return None
        error = abs(over)
        price *= float(np.exp(np.clip(np.log(target / total) * total / slope, -40, 40)))
    return None


def _root(
    envelope: Envelope, tree: Tree
) -> tuple[IntArray, FloatArray, FloatArray | None, FloatArray | None]:
    """Return the root with its target; with prices where no price is needed."""
    active = np.array([ROOT])
    branch = _Branch.of(envelope, tree, active)
    if tree.least[ROOT] == tree.most[ROOT]:
        return active, tree.most[:1].copy(), None, None
    wanted = branch.demand(np.zeros(1)).totals
    target = np.clip(wanted, tree.least[ROOT], tree.most[ROOT])
    free = bool((np.abs(wanted - target) <= _CLOSE * np.abs(target)).all())
    price = np.zeros(1) if free else None
    return active, target, price, price


@dataclass(frozen=True, slots=True)
class _Demand:
    """What everybody wants at some prices: lines, nodes before and after their limits."""

    spend: FloatArray
    response: FloatArray
    raw: FloatArray
    cut: FloatArray
    totals: FloatArray
    slopes: FloatArray


@dataclass(frozen=True, slots=True)
class _Branch:
    """The lines and nodes below some active nodes, none of which lies below another."""

    envelope: Envelope
    tree: Tree
    active: IntArray
    owner: IntArray
    lines: IntArray | None
    home: IntArray
    levels: tuple[IntArray, ...]

    @classmethod
    def of(cls, envelope: Envelope, tree: Tree, active: IntArray) -> _Branch:
        owner = np.full(tree.size, -1)
        owner[active] = np.arange(active.size)
        below = []
        for level in tree.levels[1:]:
            inherits = level[(owner[level] < 0) & (owner[tree.parent[level]] >= 0)]
            owner[inherits] = owner[tree.parent[inherits]]
            below.append(inherits)
        levels = tuple(level for level in reversed(below) if level.size)
        inside = owner[tree.home] >= 0
        if inside.all():
            return cls(envelope, tree, active, owner, None, tree.home, levels)
        lines = np.flatnonzero(inside)
        return cls(envelope.take(lines), tree, active, owner, lines, tree.home[lines], levels)

    def demand(self, prices: FloatArray, near: FloatArray | None = None) -> _Demand:
        """Return what is wanted at one price per active node."""
        tree = self.tree
        per_line = prices[self.owner[self.home]] if prices.size > 1 else None
        if per_line is None:
            per_line = np.full(self.home.size, prices[0])
        spend, response = self.envelope.demand(per_line, near)
        if tree.size == 1:
            total, slope = np.array([spend.sum()]), np.array([response.sum()])
            return _Demand(spend, response, total, total, total, slope)
        raw = np.bincount(self.home, spend, tree.size).astype(float)
        slope = np.bincount(self.home, response, tree.size).astype(float)
        cut = raw.copy()
        for level in self.levels:
            cut[level] = np.clip(raw[level], tree.least[level], tree.most[level])
            slope[level] *= cut[level] == raw[level]
            raw += np.bincount(tree.parent[level], cut[level], tree.size)
            slope += np.bincount(tree.parent[level], slope[level], tree.size)
        return _Demand(spend, response, raw, cut, raw[self.active], slope[self.active])

    def first_price(self, target: FloatArray) -> FloatArray:
        """Return a price per active node to start from: the mean slope at an even filling."""
        low, high = self.envelope.low, self.envelope.high
        if self.active.size == 1 and self.home.size > 4 * _SAMPLE:
            return self._sampled_price(target)
        owner, size = self.owner[self.home], self.active.size
        floor, room = np.bincount(owner, low, size), np.bincount(owner, high - low, size)
        share = np.clip((target - floor) / np.where(room > 0, room, 1.0), 1e-3, 0.999)[owner]
        here = low + share * (high - low)
        there = low + 0.99 * share * (high - low)
        rise = self.envelope.value(here) - self.envelope.value(there)
        gained = np.bincount(owner, np.maximum(rise, 0.0), size)
        paid = np.bincount(owner, here - there, size)
        return np.where((gained > 0) & (paid > 0), gained / np.where(paid > 0, paid, 1.0), 1.0)

    def _sampled_price(self, target: FloatArray) -> FloatArray:
        chosen = np.arange(0, self.home.size, self.home.size // _SAMPLE)
        sample = self.envelope.take(chosen)
        floor, room = self.envelope.low.sum(), (self.envelope.high - self.envelope.low).sum()
        share = (target[0] - floor) / room if room > 0 else 0.0
        aim = sample.low.sum() + share * (sample.high - sample.low).sum()
        alone = np.zeros(1, dtype=np.int64)
        tree = Tree(
            alone, np.array([aim]), np.array([aim]), np.zeros(chosen.size, dtype=np.int64),
            (alone,), alone - 1,
        )  # fmt: skip
        price = solve_tree(sample, tree).prices
        return np.where(price > 0, price, 1.0)

    def settle(
        self,
        low: FloatArray,
        high: FloatArray,
        target: FloatArray,
        spend: FloatArray,
        prices: FloatArray,
    ) -> tuple[IntArray, FloatArray]:
        """Write what the prices decide; return the nodes that need a price of their own.

        At `low` at least the target is wanted, at `high` at most; in between lines are filled
        in order, so that per active node at most one is left part-way.
        """
        least, most = self.demand(high), self.demand(low)
        tree = self.tree
        scale = np.abs(target) + _CLOSE
        gain = most.cut - least.cut
        loose = (np.abs(gain) <= _SETTLED * scale[self.owner]) & (self.owner >= 0)
        kept = (least.raw == least.cut) & (most.raw == most.cut)
        open_ = np.zeros(tree.size, dtype=bool)
        open_[self.active] = True
        asking = np.zeros(tree.size, dtype=bool)
        for level in reversed(self.levels):
            reached = open_[tree.parent[level]]
            open_[level] = reached & loose[level] & kept[level]
            asking[level] = reached & ~open_[level]
        given, amount = self._fill(least, most, target, asking, open_)
        settled = open_[self.home]
        where = np.flatnonzero(settled) if self.lines is None else self.lines[settled]
        spend[where] = given[settled]
        prices[open_] = low[self.owner[open_]]
        below = (self.owner >= 0) & ~open_
        prices[below] = low[self.owner[below]]
        chosen = np.flatnonzero(asking)
        return chosen, amount[chosen]

    def _fill(
        self, least: _Demand, most: _Demand, target: FloatArray, asking: BoolArray, open_: BoolArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return spends and the asking nodes' totals that meet the targets."""
        lines = np.flatnonzero(open_[self.home])
        nodes = np.flatnonzero(asking)
        owner = np.concatenate([self.owner[self.home[lines]], self.owner[nodes]])
        base = np.concatenate([least.spend[lines], least.cut[nodes]])
        full = np.concatenate([most.spend[lines], most.cut[nodes]])
        order = np.argsort(owner, kind="stable") if self.active.size > 1 else np.arange(owner.size)
        room = np.maximum(full - base, 0.0)[order]
        before = np.cumsum(room) - room
        first = np.searchsorted(owner[order], np.arange(self.active.size))
        start = before[np.minimum(first, max(before.size - 1, 0))] if before.size else before
        missing = target - np.bincount(owner, base, self.active.size)
        own = owner[order]
        amount = base.copy()
        if before.size:
            amount[order] += np.clip(missing[own] - (before - start[own]), 0.0, room)
        self._close(amount, lines, least, target, owner)
        spend = least.spend.copy()
        spend[lines] = amount[: lines.size]
        totals = np.zeros(self.tree.size)
        totals[nodes] = amount[lines.size :]
        return spend, totals

    def _close(
        self,
        amount: FloatArray,
        lines: IntArray,
        demand: _Demand,
        target: FloatArray,
        owner: IntArray,
    ) -> None:
        """Spread what rounding left over the lines that are free to move."""
        size = self.active.size
        rest = target - np.bincount(owner, amount, size)
        rest[np.abs(rest) > 1e-9 * np.abs(target)] = 0.0
        weight = -demand.response[lines]
        total = np.bincount(owner[: lines.size], weight, size)
        share = rest / np.where(total > 0, total, np.inf)
        moved = amount[: lines.size] + share[owner[: lines.size]] * weight
        amount[: lines.size] = np.clip(moved, self.envelope.low[lines], self.envelope.high[lines])


def _search(
    branch: _Branch, target: FloatArray, guess: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return prices (low, high) per active node, equal or neighbouring floats.

    Demand at `low` is at least the target and at `high` at most. Newton in logs where the curves
    are smooth; otherwise halving of the floats between, which ends after 64 steps whatever the
    scale, because floats in order are integers in order.
    """
    low, high = np.full(target.size, -_LARGEST), np.full(target.size, _LARGEST)
    price = guess.astype(float)
    error, near = np.full(target.size, np.inf), np.zeros(branch.home.size)
    _, steep = branch.envelope.chords()
    jumps = bool(np.isfinite(steep).any())
    for step_index in range(_STEPS):
        demand = branch.demand(price, near)
        over = demand.totals - target
        close = np.abs(over) <= _CLOSE * np.abs(target)
        low = np.where(close | (over >= 0), np.maximum(low, price), low)
        high = np.where(close | (over <= 0), np.minimum(high, price), high)
        high = np.maximum(high, low)
        done = close | (np.nextafter(low, np.inf) >= high)
        if done.all():
            break
        step = _newton(price, demand, target)
        usable = (step > low) & (step < high) & (np.abs(over) < 0.5 * error)
        error = np.abs(over)
        other = _middle(low, high)
        if jumps and step_index % 3 and not (usable | done).all():
            other = _next_jump(branch, steep, low, high, other)
        price = np.where(done, price, np.where(usable, step, other))
    never, always = low == -_LARGEST, high == _LARGEST  # the target is an end, up to rounding
    low, high = np.where(never & ~always, high, low), np.where(always & ~never, low, high)
    flat = close & (demand.slopes == 0) & (price != 0)
    if flat.any():
        price = _towards_zero(branch, target, price, flat)
        low, high = np.where(flat, price, low), np.where(flat, price, high)
    return low, high


def _next_jump(
    branch: _Branch, steep: FloatArray, low: FloatArray, high: FloatArray, otherwise: FloatArray
) -> FloatArray:
    """Return prices among those at which lines jump, or just below where one does.

    Demand that misses its target between two neighbouring floats jumps there, and it can only
    jump at the slope of some line's chord; their mean inside the bracket finds it in few steps.
    """
    owner, size = branch.owner[branch.home], low.size
    inside = (steep > low[owner]) & (steep < high[owner])
    count = np.bincount(owner[inside], minlength=size)
    mean = np.bincount(owner[inside], steep[inside], size) / np.maximum(count, 1)
    at_high = np.bincount(owner[steep == high[owner]], minlength=size) > 0
    below = np.where(at_high, np.nextafter(high, -np.inf), otherwise)
    return np.where((count > 0) & (mean > low) & (mean < high), mean, below)


def _towards_zero(
    branch: _Branch, target: FloatArray, price: FloatArray, flat: BoolArray
) -> FloatArray:
    """Return a smaller price that asks for the same: rounding would drown a huge one's bound."""
    near, far = np.zeros(price.size), price
    for _ in range(_SHRINKING):
        middle = np.where(flat, _middle(near, far), price)
        same = np.abs(branch.demand(middle).totals - target) <= _CLOSE * np.abs(target)
        near, far = np.where(same, near, middle), np.where(same, middle, far)
    return np.where(flat, far, price)


def _newton(price: FloatArray, demand: _Demand, target: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        slope = demand.slopes / demand.totals
        step = price * np.exp((np.log(target) - np.log(demand.totals)) / slope)
    return np.where((slope < 0) & (price > 0), step, np.nan)


def _middle(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the float half-way between, counted in floats."""
    a, b = _order(low), _order(high)
    half = (a >> 1) + (b >> 1) + (a & b & 1)
    return _unorder(half)


def _order(x: FloatArray) -> IntArray:
    bits = (x + 0.0).view(np.int64)
    return np.where(bits >= 0, bits, np.iinfo(np.int64).min - bits)


def _unorder(k: IntArray) -> FloatArray:
    bits = np.where(k >= 0, k, np.iinfo(np.int64).min - k)
    return np.asarray(bits.view(np.float64))
