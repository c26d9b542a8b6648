"""What lines and groups want at a price: one level of the nested problem, all groups at once."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from pipeline.allocation.envelope import Envelope, Part
from pipeline.allocation.newton import next_prices
from pipeline.allocation.tree import Tree
from pipeline.core.types import FloatArray, IntArray

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
    """What everybody in a branch wants at some prices.

    Attributes:
        spend, response: (n_lines,), with d spend / d log price; empty where they were not kept.
        raw, cut: (n_nodes,), before and after the node's own limits.
        slopes: (n_nodes,), d raw / d log price.
    """

    spend: FloatArray
    response: FloatArray
    raw: FloatArray
    cut: FloatArray
    slopes: FloatArray


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some lines that fit the cache.

    Attributes:
        place: where they stand among the branch's lines.
        starts, nodes: at which of the piece's lines a home begins, and which it is.
    """

    part: Part
    place: slice | IntArray
    starts: IntArray
    nodes: IntArray

    @classmethod
    def of(cls, part: Part, place: slice | IntArray, home: IntArray) -> Self:
        """Return the piece of lines with these homes."""
        begins = np.ones(home.size, dtype=bool)
        np.not_equal(home[1:], home[:-1], out=begins[1:])
        starts = np.flatnonzero(begins)
        return cls(part, place, starts, home[starts])


@dataclass(frozen=True, slots=True)
class Asking:
    """Nodes that need a price of their own.

    Attributes:
        nodes: which of the branch's.
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

    Nodes are numbered anew, so that a small branch of a large tree is small: the active ones
    first, whose limits are what is searched for, then those below, level by level.

    Attributes:
        nodes: (n_nodes,), which nodes of the tree these are.
        owner: (n_nodes,), the active node that a node is or lies below.
        parent: (n_nodes,), of the nodes below; of an active one, itself.
        least, most: (n_nodes,), limits on their totals.
        levels: the nodes below, the deepest first.
        lines: which lines of the problem these are; None for all.
        home: (n_lines,), each line's innermost node.
        line_owner: (n_lines,), each line's active node.
        active: how many nodes are active.
        pieces: the envelope, cut for the cache once.
    """

    envelope: Envelope
    nodes: IntArray
    owner: IntArray
    parent: IntArray
    least: FloatArray
    most: FloatArray
    levels: tuple[slice, ...]
    lines: IntArray | None
    home: IntArray
    line_owner: IntArray
    active: int
    pieces: list[_Piece] = field(init=False)

    def __post_init__(self) -> None:
        """Cut the envelope."""
        cut = [_Piece.of(part, place, self.home[place]) for part, place in self.envelope.pieces()]
        object.__setattr__(self, "pieces", cut)

    @classmethod
    def whole(cls, envelope: Envelope, tree: Tree) -> Branch:
        """Return the branch of a whole tree, whose root is active."""
        nodes = np.concatenate(tree.levels)
        place = np.empty_like(nodes)
        place[nodes] = np.arange(nodes.size)
        ends = np.cumsum([level.size for level in tree.levels]).tolist()
        levels = [slice(start, stop) for start, stop in itertools.pairwise(ends)]
        none = np.zeros(1, dtype=np.int64)
        return cls(
            envelope,
            nodes,
            np.broadcast_to(none, nodes.shape),
            place[tree.parent[nodes]],
            tree.least[nodes],
            tree.most[nodes],
            tuple(reversed(levels)),
            None,
            place[tree.home],
            np.broadcast_to(none, tree.home.shape),
            1,
        )

    def below(self, active: IntArray) -> Branch:
        """Return the branch below some of this one's nodes, none of which lies below another."""
        place, count = np.full(self.nodes.size, -1), active.size
        place[active] = np.arange(count)
        owner = place.copy()
        kept, levels = [active], []
        for level in reversed(self.levels):
            above = place[self.parent[level]]
            inside = np.flatnonzero((place[level] < 0) & (above >= 0))
            if inside.size:
                nodes = inside + level.start
                place[nodes] = np.arange(count, count + nodes.size)
                owner[nodes] = owner[self.parent[nodes]]
                kept.append(nodes)
                levels.append(slice(count, count + nodes.size))
                count += nodes.size
        every, home = np.concatenate(kept), place[self.home]
        parent = place[self.parent[every]]
        parent[: active.size] = np.arange(active.size)
        lines = np.flatnonzero(home >= 0)
        home = home[lines]
        return Branch(
            self.envelope.take(lines),
            self.nodes[every],
            owner[every],
            parent,
            self.least[every],
            self.most[every],
            tuple(reversed(levels)),
            lines if self.lines is None else self.lines[lines],
            home,
            owner[every][home],
            active.size,
        )

    def demand(
        self, prices: FloatArray, near: FloatArray | None = None, *, keep: bool = True
    ) -> Demand:
        """Return what is wanted at one price per active node.

        Args:
            near: what the lines wanted last, overwritten; only saves time.
            keep: whether each line's own demand is wanted too; sums alone stay in the cache.
        """
        raw, slope = np.zeros(self.nodes.size), np.zeros(self.nodes.size)
        kept = self.home.size if keep and len(self.pieces) > 1 else 0
        spend, response = np.empty(kept), np.empty(kept)
        for piece in self.pieces:
            place = piece.place
            own = prices if prices.size == 1 else prices[self.line_owner[place]]
            close = None if near is None else near[place]
            wanted, moves = piece.part.demand(own, close)
            np.add.at(raw, piece.nodes, np.add.reduceat(wanted, piece.starts))
            np.add.at(slope, piece.nodes, np.add.reduceat(moves, piece.starts))
            if near is not None and close is not None:
                near[place] = close
            if kept:
                spend[place], response[place] = wanted, moves
            elif len(self.pieces) == 1:
                spend, response = wanted, moves
        return self._added_up(spend, response, raw, slope)

    def _added_up(
        self, spend: FloatArray, response: FloatArray, raw: FloatArray, slope: FloatArray
    ) -> Demand:
        """Return the demand of all nodes, from what the lines want at their homes."""
        cut = raw.copy()
        for level in self.levels:
            wanted = raw[level]
            cut[level] = given = np.clip(wanted, self.least[level], self.most[level])
            above, outer = self.parent[level], slice(level.start)
            raw[outer] += np.bincount(above, given, level.start)
            slope[outer] += np.bincount(above, slope[level] * (given == wanted), level.start)
        cut[: self.active] = raw[: self.active]
        return Demand(spend, response, raw, cut, slope)

    def first_price(self, target: FloatArray) -> FloatArray:
        """Return a price per active node to start from: the mean slope at an even filling."""
        low, high = self.envelope.low, self.envelope.high
        owner, size = self.line_owner, self.active
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
        known = demand is not None and demand.spend.size == self.home.size
        least = demand if demand is not None and known else self.demand(high)
        most = least if np.array_equal(low, high) else self.demand(low)
        scale = np.abs(target) + CLOSE
        loose = np.abs(most.cut - least.cut) <= SETTLED * scale[self.owner]
        loose &= (least.raw == least.cut) & (most.raw == most.cut)
        open_ = np.ones(self.nodes.size, dtype=bool)
        asking = np.zeros(self.nodes.size, dtype=bool)
        for level in reversed(self.levels):
            reached = open_[self.parent[level]]
            open_[level] = reached & loose[level]
            asking[level] = reached & ~loose[level]
        lines, nodes = np.flatnonzero(open_[self.home]), np.flatnonzero(asking)
        given, amount = self._fill(least, most, target, lines, nodes)
        spend[lines if self.lines is None else self.lines[lines]] = given
        prices[self.nodes] = low[self.owner]
        outer = self.owner[nodes]
        above, below = high[outer], low[outer]
        raw, power = least.raw[nodes], self.envelope.power
        capped, floored = raw > least.cut[nodes], most.raw[nodes] < most.cut[nodes]
        return Asking(
            nodes,
            amount,
            _guess(above, raw, least.slopes[nodes], amount, power),
            np.where(capped, above, -np.finfo(float).max),
            np.where(floored, below, np.finfo(float).max),
        )

    def _fill(
        self, least: Demand, most: Demand, target: FloatArray, lines: IntArray, nodes: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return what some lines and nodes get, so that together they meet the targets."""
        owner = np.concatenate([self.line_owner[lines], self.owner[nodes]])
        amount = np.concatenate([least.spend[lines], least.cut[nodes]])
        if most is not least:
            full = np.concatenate([most.spend[lines], most.cut[nodes]])
            amount += self._in_order(np.maximum(full - amount, 0.0), amount, target, owner)
        for _ in range(_CLOSINGS):
            self._close(amount, lines, least, target, owner)
        return amount[: lines.size], amount[lines.size :]

    def _in_order(
        self, room: FloatArray, base: FloatArray, target: FloatArray, owner: IntArray
    ) -> FloatArray:
        """Return what each may add of its room, one after the other, up to its owner's target."""
        order = np.argsort(owner, kind="stable")
        before = np.cumsum(room[order]) - room[order]
        first = np.searchsorted(owner[order], np.arange(self.active))
        start = before[np.minimum(first, max(before.size - 1, 0))] if before.size else before
        missing = target - np.bincount(owner, base, self.active)
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
        size = self.active
        rest = target - np.bincount(owner, amount, size)
        off = np.abs(rest) / np.maximum(np.abs(target), np.finfo(float).tiny)
        rest[(off <= CLOSE) | (off > 2 * NEAR)] = 0.0
        if not rest.any():
            return
        weight = -demand.response[lines]
        total = np.bincount(owner[: lines.size], weight, size)
        share = rest / np.where(total > 0, total, np.inf)
        moved = amount[: lines.size] + share[owner[: lines.size]] * weight
        amount[: lines.size] = np.clip(moved, self.envelope.low[lines], self.envelope.high[lines])


def _guess(
    price: FloatArray,
    total: FloatArray,
    slope: FloatArray,
    target: FloatArray,
    power: float | None,
) -> FloatArray:
    """Return prices one step of Newton's from those outside, no farther than can be trusted."""
    step, far = next_prices(price, total, slope, target, power), np.exp(_FAR)
    with np.errstate(over="ignore"):
        near = np.clip(np.where(np.isnan(step), np.inf, step), price / far, price * far)
    return np.where(price > 0, near, 0.0)
