"""One limit over lines that are not concave: branch and bound on who is switched on.

A line is split where it stops being convex: below it is off, above it is on. For a grid of prices
q a table holds what each side of each line earns net of q. Then the dual bound of any choice of
sides is a sum of rows, valid at every price and best at the lowest point of the grid. Branching is
first on how many lines are on, because lines that resemble each other make every other branching
blind, then on single lines, then on where inside a convex stretch a last line stands.

Source: Lagrangian bounds as in Fisher (1981), "The Lagrangian relaxation method for solving
integer programming problems".
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np

from pipeline.allocation.curves import Curves
from pipeline.allocation.work import TREE, Work
from pipeline.core.types import BoolArray, FloatArray

_LINES_AT_ONCE = 256
_NO_GAP = 1e-12  # of the bound


@dataclass(frozen=True, slots=True)
class Sides:
    """Where lines are off and where they are on, (n,) each; an empty side is NaN."""

    off_low: FloatArray
    off_high: FloatArray
    on_low: FloatArray
    on_high: FloatArray


@dataclass(frozen=True, slots=True)
class Tables:
    """What each side earns net of each price, and the spend that earns it, (n, n_prices) each.

    An empty side earns minus infinity.
    """

    off: FloatArray
    off_spend: FloatArray
    on: FloatArray
    on_spend: FloatArray

    def copy(self) -> Tables:
        """Return tables that may be changed."""
        return Tables(self.off.copy(), self.off_spend.copy(), self.on.copy(), self.on_spend.copy())


@dataclass(frozen=True, slots=True)
class Block:
    """Lines under one limit on their sum, with money at an outside price.

    Attributes:
        curves: of the block's lines.
        prices: (n_prices,), ascending.
        sides, tables: of the lines before any branching.
        least, most: limits on the sum.
        outside: what a unit of money costs outside.
        inner: (n_prices,), what groups inside the block earn net of each price.
        inner_spend: what those groups spend in their own best plan.
        inner_value: what they earn with it.
    """

    curves: Curves
    prices: FloatArray
    sides: Sides
    tables: Tables
    least: float
    most: float
    outside: float
    inner: FloatArray
    inner_spend: float
    inner_value: float

    def rent(self) -> FloatArray:
        """Return what the limit itself adds to the dual at each price, (n_prices,)."""
        return rent(self.prices, np.array([self.outside]), self.least, self.most)[:, 0]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part of the choices that was not looked into further."""

    dual: FloatArray
    bound: float


@dataclass(frozen=True, slots=True)
class BlockResult:
    """The best split found, and the leaves that together cover every other."""

    spend: FloatArray | None
    net: float
    bound: float
    leaves: tuple[Leaf, ...]
    nodes: int


@dataclass(frozen=True, slots=True)
class _Node:
    changed: dict[int, tuple[Sides, Tables]]
    counted: BoolArray
    at_least: int
    at_most: int


@dataclass(frozen=True, slots=True)
class _View:
    """A node with its rows in place and its dual evaluated."""

    node: _Node
    tables: Tables
    dual: FloatArray
    bound: float
    best: int
    is_on: BoolArray
    on_counts: FloatArray


def rent(prices: FloatArray, outside: FloatArray, least: float, most: float) -> FloatArray:
    """Return `max over sums in [least, most] of (price - outside) * sum`, (n_prices, n_outside)."""
    extra = prices[:, None] - outside[None, :]
    with np.errstate(invalid="ignore"):  # nothing times no end, where it is not chosen
        return np.where(extra > 0, extra * most, extra * least)


def tabulate(curves: Curves, sides: Sides, prices: FloatArray) -> Tables:
    """Return the tables of lines at prices."""
    off, off_spend = _side(curves, sides.off_low, sides.off_high, prices)
    on, on_spend = _side(curves, sides.on_low, sides.on_high, prices)
    return Tables(off, off_spend, on, on_spend)


def _side(
    curves: Curves, low: FloatArray, high: FloatArray, prices: FloatArray
) -> tuple[FloatArray, FloatArray]:
    profit = np.full((low.size, prices.size), -np.inf)
    spend = np.zeros((low.size, prices.size))
    there = np.flatnonzero(~np.isnan(low))
    for start in range(0, there.size, _LINES_AT_ONCE):
        chunk = there[start : start + _LINES_AT_ONCE]
        envelope = curves.take(chunk).envelope(low[chunk], high[chunk])
        wide = envelope.take(np.repeat(np.arange(chunk.size), prices.size))
        price = np.tile(prices, chunk.size)
        best, _ = wide.demand(price)
        shape = (chunk.size, prices.size)
        spend[chunk] = best.reshape(shape)
        profit[chunk] = (wide.value(best) - price * best).reshape(shape)
    return profit, spend


def solve_block(block: Block, tolerance: float, node_limit: int, work: Work) -> BlockResult:
    """Return the best split of a block and a bound on every other, net of the outside price.

    Args:
        tolerance: stop when bound and best differ by less, in units of outcome.
        node_limit: stop after so many nodes with what is proven by then.
    """
    size = block.sides.off_low.size
    split = ~np.isnan(block.sides.off_low) & ~np.isnan(block.sides.on_low)
    root = _look(block, _Node({}, split, 0, size))
    best: tuple[float, FloatArray | None] = (-np.inf, None)
    heap = [(-root.bound, 0, root)]
    leaves: list[Leaf] = []
    count = 0
    while heap:
        _, _, view = heapq.heappop(heap)
        best = max(best, _primal(block, view), key=lambda item: item[0])
        ended = view.bound <= best[0] + tolerance or count >= node_limit or work.is_over
        children = [] if ended else _branch(block, view)
        if not children:
            leaves.append(Leaf(view.dual, view.bound))
            if ended:
                leaves.extend(Leaf(rest.dual, rest.bound) for _, _, rest in heap)
                break
            continue
        for child in children:
            seen = _look(block, child)
            work.spend(TREE * size)
            count += 1
            if seen.bound > -np.inf:
                heapq.heappush(heap, (-min(seen.bound, view.bound), count, seen))
    bound = max((leaf.bound for leaf in leaves), default=-np.inf)
    return BlockResult(best[1], best[0], max(bound, best[0]), tuple(leaves), count)


def _look(block: Block, node: _Node) -> _View:
    tables = block.tables
    if node.changed:
        tables = tables.copy()
        for line, (_, rows) in node.changed.items():
            for mine, new in zip(_arrays(tables), _arrays(rows), strict=True):
                mine[line] = new[0]
    free = node.counted
    base = np.maximum(tables.on[~free], tables.off[~free]).sum(axis=0)
    base = base + tables.off[free].sum(axis=0) + block.inner
    gain = tables.on[free] - tables.off[free]
    falling = -np.sort(-gain, axis=0)
    sums = np.concatenate([np.zeros((1, block.prices.size)), np.cumsum(falling, axis=0)])
    wanted = np.clip((gain > 0).sum(axis=0), node.at_least, min(node.at_most, gain.shape[0]))
    possible = node.at_least <= gain.shape[0] and node.at_most >= 0
    dual = base + sums[np.minimum(wanted, gain.shape[0]), np.arange(block.prices.size)]
    dual = dual if possible else np.full_like(dual, -np.inf)
    total = dual + block.rent()
    column = int(np.argmin(total))
    is_on = tables.on[:, column] > tables.off[:, column]
    view = _View(node, tables, dual, float(total[column]), column, is_on, wanted)
    return replace(view, is_on=_choice(view, column))


def _primal(block: Block, view: _View) -> tuple[float, FloatArray | None]:
    """Return a split with the view's sides whose sum is allowed, with what it earns net."""
    spends = np.where(view.is_on[:, None], view.tables.on_spend, view.tables.off_spend)
    sums = spends.sum(axis=0) + block.inner_spend
    allowed = (sums >= block.least) & (sums <= block.most)
    start = int(np.searchsorted(block.prices, block.outside))
    if start < allowed.size and allowed[start]:
        spend = spends[:, start]
    elif sums[0] >= block.most >= sums[-1]:
        spend = _between(spends, sums, block.most)
    elif sums[0] >= block.least >= sums[-1]:
        spend = _between(spends, sums, block.least)
    elif allowed.any():
        spend = spends[:, int(np.flatnonzero(allowed)[0])]
    else:
        return -np.inf, None
    value = float(block.curves.value(spend).sum()) + block.inner_value
    return value - block.outside * (float(spend.sum()) + block.inner_spend), spend


def _between(spends: FloatArray, sums: FloatArray, target: float) -> FloatArray:
    right = int(np.searchsorted(-sums, -target))
    right = min(max(right, 1), sums.size - 1)
    fall = sums[right - 1] - sums[right]
    share = (sums[right - 1] - target) / fall if fall > 0 else 0.0
    mixed = spends[:, right - 1] + share * (spends[:, right] - spends[:, right - 1])
    return np.asarray(mixed)


def _branch(block: Block, view: _View) -> list[_Node]:
    node, free = view.node, view.node.counted
    left, right = max(view.best - 1, 0), min(view.best + 1, block.prices.size - 1)
    high, low = int(view.on_counts[left]), int(view.on_counts[right])
    if high > low and free.any():
        middle = (high + low - 1) // 2
        return [
            _Node(node.changed, free, node.at_least, middle),
            _Node(node.changed, free, middle + 1, node.at_most),
        ]
    spend, gap = _mixture(block, view, left, right)
    line = int(np.argmax(gap)) if gap.size else 0
    if not gap.size or gap[line] <= _NO_GAP * abs(view.bound):
        return []
    return _decide(block, view, line) if free[line] else _narrow(block, view, line, spend[line])


def _mixture(block: Block, view: _View, left: int, right: int) -> tuple[FloatArray, FloatArray]:
    """Return the spends that the dual mixes at its lowest point, and how much that flatters each.

    To the left of that point too much is spent and to the right too little; the mix in between
    is what the bound stands for, and where it lies above the curve there is something to branch.
    """
    spends, nets = [], []
    for column in (left, right):
        is_on = _choice(view, column)
        on_spend, off_spend = view.tables.on_spend[:, column], view.tables.off_spend[:, column]
        spends.append(np.where(is_on, on_spend, off_spend))
        net = np.where(is_on, view.tables.on[:, column], view.tables.off[:, column])
        nets.append(net + block.prices[column] * spends[-1])
    much, little = (float(spend.sum()) + block.inner_spend for spend in spends)
    aim = float(np.clip(much, block.least, block.most))
    share = float(np.clip((much - aim) / (much - little), 0.0, 1.0)) if much > little else 0.5
    mixed = spends[0] + share * (spends[1] - spends[0])
    flattered = nets[0] + share * (nets[1] - nets[0])
    return mixed, flattered - block.curves.value(mixed)


def _choice(view: _View, column: int) -> BoolArray:
    """Return which lines are on at a price, as many as the node allows."""
    gain = view.tables.on[:, column] - view.tables.off[:, column]
    is_on = gain > 0
    free = np.flatnonzero(view.node.counted)
    order = free[np.argsort(-gain[free], kind="stable")]
    is_on[order] = False
    is_on[order[: int(view.on_counts[column])]] = True
    return np.asarray(is_on)


def _decide(block: Block, view: _View, line: int) -> list[_Node]:
    """Return the node with the line off and the node with it on."""
    node = view.node
    counted = node.counted.copy()
    counted[line] = False
    sides = _sides_of(block, view, line)
    none = np.array([np.nan])
    off = Sides(sides.off_low, sides.off_high, none, none)
    on = Sides(none, none, sides.on_low, sides.on_high)
    rows = {True: _rows(block, line, on), False: _rows(block, line, off)}
    return [
        _Node({**node.changed, line: (side, rows[is_on])}, counted, max(low, 0), high)
        for side, is_on, low, high in (
            (off, False, node.at_least, node.at_most),
            (on, True, node.at_least - 1, node.at_most - 1),
        )
        if high >= 0
    ]


def _narrow(block: Block, view: _View, line: int, spend: float) -> list[_Node]:
    """Return nodes that cut the stretch on which a decided line is flattered."""
    sides = _sides_of(block, view, line)
    pieces = []
    for low, high in (
        (float(sides.off_low[0]), float(sides.off_high[0])),
        (float(sides.on_low[0]), float(sides.on_high[0])),
    ):
        if low < spend < high:
            at = min(max(spend, low + 0.1 * (high - low)), high - 0.1 * (high - low))
            pieces += [(low, at), (at, high)]
        elif low <= high:  # an empty side is NaN and fails this
            pieces.append((low, high))
    if len(pieces) < 2 or (len(pieces) == 2 and not np.isnan(sides.off_low[0] + sides.on_low[0])):
        return []
    node, none = view.node, np.array([np.nan])
    parts = [Sides(np.array([low]), np.array([high]), none, none) for low, high in pieces]
    changes = [{**node.changed, line: (part, _rows(block, line, part))} for part in parts]
    return [replace(node, changed=changed) for changed in changes]


def _sides_of(block: Block, view: _View, line: int) -> Sides:
    if line in view.node.changed:
        return view.node.changed[line][0]
    every = block.sides
    return Sides(
        every.off_low[[line]], every.off_high[[line]], every.on_low[[line]], every.on_high[[line]]
    )


def _rows(block: Block, line: int, sides: Sides) -> Tables:
    return tabulate(block.curves.take(np.array([line])), sides, block.prices)


def _arrays(tables: Tables) -> tuple[FloatArray, ...]:
    return tables.off, tables.off_spend, tables.on, tables.on_spend
