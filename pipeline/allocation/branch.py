"""What lines and groups want at a price: one level of the nested problem, all groups at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipeline.allocation.envelope import Envelope, Part
from pipeline.allocation.tree import Tree
from pipeline.core.types import BoolArray, FloatArray, IntArray

CLOSE = 1e-14
"""Of the target; what is left is spread over the lines that are free."""
NEAR = 1e-9
"""Of the target; spreading it costs 1e-18 of the outcome where demand moves with its price."""
_CLOSINGS = 2  # the first may push lines to their bounds
SETTLED = 1e-12
"""Of the target; less than this is not worth a price of its own."""
_FAR = 2.5  # of a log price


@dataclass(frozen=True, slots=True)
class Demand:
    """What everybody wants at some prices.

    Attributes:
        spend, response: (n_lines,), with d spend / d log price.
        raw, cut: (n_nodes,), before and after the node's own limits.
        slopes: (n_nodes,), d raw / d log price.
        totals: (n_active,), what the active nodes want before their limits.
    """

    spend: FloatArray
    response: FloatArray
    raw: FloatArray
    cut: FloatArray
    slopes: FloatArray
    totals: FloatArray


@dataclass(frozen=True, slots=True)
class Asking:
    """Nodes that need a price of their own.

    Attributes:
        nodes: which.
        target: what each has to spend.
        guess: a price to begin with; 0 where there is none.
        low, high: prices that confine it.
    """

    nodes: IntArray
    target: FloatArray
    guess: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True)
class Branch:
    """The lines and nodes below some active nodes, none of which lies below another.

    Attributes:
        owner: (n_nodes,), place of the active node that a node is or lies below; -1 outside.
        lines: which lines of the problem these are; None for all.
        home, line_owner: per line, its innermost node and the place of its active node.
        levels: nodes below the active ones, the deepest first.
        pieces: the envelope, cut for the cache once.
    """

    envelope: Envelope
    tree: Tree
    active: IntArray
    owner: IntArray
    lines: IntArray | None
    home: IntArray
    line_owner: IntArray
    levels: tuple[IntArray, ...]
    pieces: list[tuple[Part, slice | IntArray]] = field(init=False)

    def __post_init__(self) -> None:
        """Cut the envelope."""
        object.__setattr__(self, "pieces", self.envelope.pieces())

    @classmethod
    def of(cls, envelope: Envelope, tree: Tree, active: IntArray) -> Branch:
        """Return the branch below the active nodes."""
        owner = np.full(tree.size, -1)
        owner[active] = np.arange(active.size)
        below = []
        for level in tree.levels[1:]:
            inherits = level[(owner[level] < 0) & (owner[tree.parent[level]] >= 0)]
            owner[inherits] = owner[tree.parent[inherits]]
            below.append(inherits)
        levels = tuple(level for level in reversed(below) if level.size)
        line_owner = owner[tree.home]
        inside = line_owner >= 0
        if inside.all():
            return cls(envelope, tree, active, owner, None, tree.home, line_owner, levels)
        lines = np.flatnonzero(inside)
        home, line_owner = tree.home[lines], line_owner[lines]
        return cls(envelope.take(lines), tree, active, owner, lines, home, line_owner, levels)

    def part(self, chosen: IntArray) -> Branch:
        """Return the branch below some of the active nodes, given by their place among them."""
        place = np.full(self.active.size + 1, -1)  # the last one is for nodes outside
        place[chosen] = np.arange(chosen.size)
        owner = place[self.owner]
        levels = tuple(level[owner[level] >= 0] for level in self.levels)
        inside = np.flatnonzero(owner[self.home] >= 0)
        return Branch(
            self.envelope.take(inside),
            self.tree,
            self.active[chosen],
            owner,
            inside if self.lines is None else self.lines[inside],
            self.home[inside],
            owner[self.home[inside]],
            tuple(level for level in levels if level.size),
        )

    def demand(self, prices: FloatArray, near: FloatArray | None = None) -> Demand:
        """Return what is wanted at one price per active node."""
        tree = self.tree
        own = prices[self.line_owner] if prices.size > 1 else prices
        spend, response = self.envelope.demand(own, near, self.pieces)
        if tree.size == 1:
            total, slope = np.array([spend.sum()]), np.array([response.sum()])
            return Demand(spend, response, total, total, slope, total)
        raw = np.asarray(np.bincount(self.home, spend, tree.size), dtype=float)
        slope = np.asarray(np.bincount(self.home, response, tree.size), dtype=float)
        cut = raw.copy()
        for level in self.levels:
            cut[level] = np.clip(raw[level], tree.least[level], tree.most[level])
            passed = slope[level] * (cut[level] == raw[level])
            raw += np.bincount(tree.parent[level], cut[level], tree.size)
            slope += np.bincount(tree.parent[level], passed, tree.size)
        return Demand(spend, response, raw, cut, slope, raw[self.active])

    def first_price(self, target: FloatArray) -> FloatArray:
        """Return a price per active node to start from: the mean slope at an even filling."""
        low, high = self.envelope.low, self.envelope.high
        owner, size = self.line_owner, self.active.size
        floor, room = np.bincount(owner, low, size), np.bincount(owner, high - low, size)
        share = np.clip((target - floor) / np.where(room > 0, room, 1.0), 1e-3, 0.999)[owner]
        here = low + share * (high - low)
        there = low + 0.99 * share * (high - low)
        rise = self.envelope.value(here) - self.envelope.value(there)
        gained = np.bincount(owner, np.maximum(rise, 0.0), size)
        paid = np.bincount(owner, here - there, size)
        return np.where((gained > 0) & (paid > 0), gained / np.where(paid > 0, paid, 1.0), 1.0)

    def settle(
        self,
        low: FloatArray,
        high: FloatArray,
        target: FloatArray,
        spend: FloatArray,
        prices: FloatArray,
        demand: Demand | None,
    ) -> Asking:
        """Write what the prices decide; return the nodes that need a price of their own.

        At `low` at least the target is wanted, at `high` at most; in between lines are filled
        in order, so that per active node at most one is left part-way.

        Args:
            demand: at the prices, where they are equal and it is known.
        """
        least = self.demand(high) if demand is None else demand
        most = least if np.array_equal(low, high) else self.demand(low)
        tree = self.tree
        scale = np.abs(target) + CLOSE
        gain = most.cut - least.cut
        loose = (np.abs(gain) <= SETTLED * scale[self.owner]) & (self.owner >= 0)
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
        inner = (self.owner >= 0) & ~open_
        prices[inner] = low[self.owner[inner]]
        nodes = np.flatnonzero(asking)
        outer = self.owner[nodes]
        above, below = high[outer], low[outer]
        capped, floored = least.raw[nodes] > least.cut[nodes], most.raw[nodes] < most.cut[nodes]
        return Asking(
            nodes,
            amount[nodes],
            _guess(above, least.raw[nodes], least.slopes[nodes], amount[nodes]),
            np.where(capped, above, -np.finfo(float).max),
            np.where(floored, below, np.finfo(float).max),
        )

    def _fill(
        self, least: Demand, most: Demand, target: FloatArray, asking: BoolArray, open_: BoolArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return spends and the asking nodes' totals that meet the targets."""
        lines = np.flatnonzero(open_[self.home])
        nodes = np.flatnonzero(asking)
        owner = np.concatenate([self.line_owner[lines], self.owner[nodes]])
        amount = np.concatenate([least.spend[lines], least.cut[nodes]])
        if most is not least:
            full = np.concatenate([most.spend[lines], most.cut[nodes]])
            amount += self._in_order(np.maximum(full - amount, 0.0), amount, target, owner)
        for _ in range(_CLOSINGS):
            self._close(amount, lines, least, target, owner)
        spend = least.spend.copy()
        spend[lines] = amount[: lines.size]
        totals = np.zeros(self.tree.size)
        totals[nodes] = amount[lines.size :]
        return spend, totals

    def _in_order(
        self, room: FloatArray, base: FloatArray, target: FloatArray, owner: IntArray
    ) -> FloatArray:
        """Return what each may add of its room, one after the other, up to its owner's target."""
        order = np.argsort(owner, kind="stable")
        before = np.cumsum(room[order]) - room[order]
        first = np.searchsorted(owner[order], np.arange(self.active.size))
        start = before[np.minimum(first, max(before.size - 1, 0))] if before.size else before
        missing = target - np.bincount(owner, base, self.active.size)
        own, more = owner[order], np.zeros(room.size)
        if before.size:
            more[order] = np.clip(missing[own] - (before - start[own]), 0.0, room[order])
        return more

    def _close(
        self,
        amount: FloatArray,
        lines: IntArray,
        demand: Demand,
        target: FloatArray,
        owner: IntArray,
    ) -> None:
        """Spread what a price is off by over the lines that are free to move."""
        size = self.active.size
        rest = target - np.bincount(owner, amount, size)
        small = np.abs(rest) <= 2 * NEAR * np.abs(target)
        rest[~small | (np.abs(rest) <= 0.1 * CLOSE * np.abs(target))] = 0.0
        if not rest.any():
            return
        weight = -demand.response[lines]
        total = np.bincount(owner[: lines.size], weight, size)
        share = rest / np.where(total > 0, total, np.inf)
        moved = amount[: lines.size] + share[owner[: lines.size]] * weight
        amount[: lines.size] = np.clip(moved, self.envelope.low[lines], self.envelope.high[lines])


def _guess(
    price: FloatArray, total: FloatArray, slope: FloatArray, target: FloatArray
) -> FloatArray:
    """Return prices one step of Newton's from those outside, no farther than can be trusted."""
    usable = (slope < 0) & (total > 0) & (target > 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        step = np.where(usable, np.log(target / total) * total / slope, _FAR)
        return np.where(price > 0, price * np.exp(np.clip(step, -_FAR, _FAR)), 0.0)
