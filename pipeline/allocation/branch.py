"""What lines and groups want at a price: one level of the nested problem, all groups at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.allocation.envelope import Envelope
from pipeline.allocation.tree import Tree
from pipeline.core.types import BoolArray, FloatArray, IntArray

CLOSE = 1e-14
"""Of the target; what is left is spread over the lines that are free."""
SETTLED = 1e-12
"""Of the target; less than this is not worth a price of its own."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What everybody wants at some prices: lines, nodes before and after their limits."""

    spend: FloatArray
    response: FloatArray
    raw: FloatArray
    cut: FloatArray
    totals: FloatArray
    slopes: FloatArray


@dataclass(frozen=True, slots=True)
class Branch:
    """The lines and nodes below some active nodes, none of which lies below another."""

    envelope: Envelope
    tree: Tree
    active: IntArray
    owner: IntArray
    lines: IntArray | None
    home: IntArray
    levels: tuple[IntArray, ...]

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
        inside = owner[tree.home] >= 0
        if inside.all():
            return cls(envelope, tree, active, owner, None, tree.home, levels)
        lines = np.flatnonzero(inside)
        return cls(envelope.take(lines), tree, active, owner, lines, tree.home[lines], levels)

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
            tuple(level for level in levels if level.size),
        )

    def demand(self, prices: FloatArray, near: FloatArray | None = None) -> Demand:
        """Return what is wanted at one price per active node."""
        tree = self.tree
        per_line = prices[self.owner[self.home]] if prices.size > 1 else None
        if per_line is None:
            per_line = np.full(self.home.size, prices[0])
        spend, response = self.envelope.demand(per_line, near)
        if tree.size == 1:
            total, slope = np.array([spend.sum()]), np.array([response.sum()])
            return Demand(spend, response, total, total, total, slope)
        raw = np.bincount(self.home, spend, tree.size).astype(float)
        slope = np.bincount(self.home, response, tree.size).astype(float)
        cut = raw.copy()
        for level in self.levels:
            cut[level] = np.clip(raw[level], tree.least[level], tree.most[level])
            slope[level] *= cut[level] == raw[level]
            raw += np.bincount(tree.parent[level], cut[level], tree.size)
            slope += np.bincount(tree.parent[level], slope[level], tree.size)
        return Demand(spend, response, raw, cut, raw[self.active], slope[self.active])

    def first_price(self, target: FloatArray) -> FloatArray:
        """Return a price per active node to start from: the mean slope at an even filling."""
        low, high = self.envelope.low, self.envelope.high
        owner, size = self.owner[self.home], self.active.size
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
    ) -> tuple[IntArray, FloatArray]:
        """Write what the prices decide; return the nodes that need a price of their own.

        At `low` at least the target is wanted, at `high` at most; in between lines are filled
        in order, so that per active node at most one is left part-way.
        """
        least, most = self.demand(high), self.demand(low)
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
        below = (self.owner >= 0) & ~open_
        prices[below] = low[self.owner[below]]
        chosen = np.flatnonzero(asking)
        return chosen, amount[chosen]

    def _fill(
        self, least: Demand, most: Demand, target: FloatArray, asking: BoolArray, open_: BoolArray
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
        demand: Demand,
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
