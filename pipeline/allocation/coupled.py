"""Limits that do not nest: guardrails, and groups that cut across, on any curves.

Relaxing every curve to its envelope and pricing all limits (`relax`) gives a bound, and a mix in
which few lines stand where their envelope lies above them. From there, cheapest first:

1. Every line is put on one of its sides; what is left is concave, so its best plan is exact.
   Several ways of choosing sides are tried.
2. The limits that do not nest are charged for at the prices found (`charge`); what is left nests
   and is proven inside its groups. That bound sees who is on and who is off, which envelopes do
   not, and its split is one more way of choosing sides.
3. What is still open is branched on spends, line by line, with all limits in every node.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.allocation.blocks import Sides
from pipeline.allocation.box import Box, fold
from pipeline.allocation.charge import charge
from pipeline.allocation.columns import rail_weight
from pipeline.allocation.nonconvex import split_sides
from pipeline.allocation.parts import Part
from pipeline.allocation.problem import OUTCOME, Problem
from pipeline.allocation.relax import ROUGH, Master, Relaxed, relax
from pipeline.allocation.tightened import tightened
from pipeline.allocation.tree import Sets, Tree
from pipeline.allocation.work import Work
from pipeline.core.types import FloatArray

_ROUNDING = 1e-8  # of the bound: what the linear programs' own tolerances may hide
_SHARP = 1e-10  # of the bound: a price is off by about the root of what a mix is off by
_SAME = 1e-6  # of the outcome: less than this apart, plans are priced alike
_HARDER = (1.0, 1.1, 1.4)  # times the guardrails' prices, until a choice of sides can keep them
_HAIRS = (1e-6, 1e-3, 0.05)  # of a line's room: what a program's tolerance may spend on nothing
_NEARBY = 0.01  # of the money: as far around the best plan as its prices are looked for
_HALVINGS = 36  # on the way from a plan to a split that breaks a limit
_SMALL = 60  # lines up to which every node is worth a plan
_EVERY = 8  # nodes between plans where there are more
_NODES = 5000  # of the branching; work ends it before where lines are many


@dataclass(frozen=True, slots=True, kw_only=True)
class CoupledSolution:
    """What is known of a problem at the end of the search.

    Attributes:
        spend: the best plan found; None if none was.
        bound: no plan earns more; minus infinity where it is proven that there is none.
        prices: derivative of the outcome in each limit, by name.
        line_price: (n,), what money costs on each line, all limits counted.
        weight: (n,), how much a unit of outcome counts with the guardrails' prices.
    """

    spend: FloatArray | None
    bound: float
    prices: dict[str, float]
    line_price: FloatArray
    weight: FloatArray


def solve_coupled(
    problem: Problem,
    box: Box,
    tree: Tree,
    keeps: Callable[[FloatArray], bool],
    work: Work,
    *,
    tolerance: float,
    least: float = 1e-300,
    start: FloatArray | None = None,
    any_plan: bool = False,
) -> CoupledSolution:
    """Return the best plan under all limits, with a bound.

    Args:
        tree: the limits that nest.
        keeps: whether a plan obeys every limit.
        tolerance: relative gap to aim for where curves are not concave.
        least: an outcome as good as nothing, below which gaps are not told apart.
        start: a split that may help, such as the best one under the limits that nest.
        any_plan: whether to stop at the first plan, because only its existence matters.
    """
    master = Master.of(problem, box)
    search = _Search(
        true=problem,
        master=master,
        box=box,
        sides=split_sides(master.problem.curves, box),
        keeps=keeps,
        work=work,
        tolerance=tolerance,
        least=max(least, 1e-300),
        any_plan=any_plan,
        free=start if master.tabled.is_needed else None,
    )
    search.run(tree, start)
    search.price_freely()
    return search.result()


@dataclass(slots=True, kw_only=True)
class _Search:
    """The best plan and the lowest bound so far, and the ways of lowering their gap.

    `free` is the best split where guardrails do not count, where that may lead to a better plan.
    """

    true: Problem
    master: Master
    box: Box
    sides: Sides
    keeps: Callable[[FloatArray], bool]
    work: Work
    tolerance: float
    least: float
    any_plan: bool
    free: FloatArray | None
    best: FloatArray | None = None
    value: float = -np.inf
    bound: float = np.inf
    priced: Relaxed | None = None
    tried: set[bytes] = field(default_factory=set)

    @property
    def close_enough(self) -> float:
        """A bound that needs no more work."""
        if self.best is None:
            return -np.inf
        return self.value + self.tolerance * max(abs(self.value), self.least)

    @property
    def is_done(self) -> bool:
        """Whether the best plan is proven well enough, or time is up."""
        if self.best is None:
            return False
        return self.any_plan or self.bound <= self.close_enough or self.work.is_over

    def run(self, tree: Tree, start: FloatArray | None) -> None:
        """Search until the gap is small enough or the work is over."""
        root = relax(self.master, self.box, self.work, start=start)
        if root is None:
            self.bound = -np.inf
            return
        self.priced, self.bound = root, root.bound
        self.offer(root.spend, root)
        if start is not None and self.keeps(start):
            self.offer(start, root)
        for guess in self._guesses(root.spend):
            if self.is_done:
                return
            self.settle(guess, root)
        if not self.is_done and np.isfinite(self.box.high).all():
            self._charge(tree, root)
        if not self.is_done:
            self._branch(root)

    def offer(self, spend: FloatArray, priced: Relaxed) -> None:
        """Keep a split, or what lies on the way to it or from it, if it is the best plan so far."""
        value = float(self.true.curves.value(spend).sum())
        if self.keeps(spend):
            if value > self.value:
                self.best, self.value, self.priced = spend, value, priced
            if self.free is not None and value < self.bound:
                self._along(spend, self.free, priced)
        elif self.best is not None and value > self.value and self.master.tabled.is_needed:
            self._along(self.best, spend, priced)

    def _along(self, plan: FloatArray, beyond: FloatArray, priced: Relaxed) -> None:
        """Keep the farthest plan on the way to a split that earns more but breaks a limit.

        Limits on how much an outcome may be are best met to the full: mixes do so only by chance.
        """
        kept, broken = 0.0, 1.0
        for _ in range(_HALVINGS):
            share = (kept + broken) / 2
            between = plan + share * (beyond - plan)
            if not (self.box.holds(between) and self.keeps(between)):
                broken = share
                continue
            kept, value = share, float(self.true.curves.value(between).sum())
            if value > self.value + 0.1 * self.tolerance * abs(self.value):  # no creeping
                self.best, self.value, self.priced = between, value, priced

    def settle(self, guess: FloatArray, near: Relaxed) -> None:
        """Offer the best plan whose lines are on the sides where a split has them."""
        box = self._on_its_sides(guess)
        key = np.concatenate([box.low, box.high]).tobytes()
        if key in self.tried:
            return
        self.tried.add(key)
        settled = relax(self.master, box, self.work, columns=near.columns, enough=self.value)
        if settled is None:
            return
        if self.keeps(settled.spend):
            self.offer(settled.spend, settled)
            return
        closer = Master.of(tightened(self.true, settled.spend), self.box)
        mended = relax(closer, box, self.work, start=settled.spend)
        if mended is not None and self.keeps(mended.spend):
            self.offer(mended.spend, mended)
            return
        for hair in _HAIRS:
            smaller = _emptied(box, settled.spend, hair)
            emptied = relax(self.master, smaller, self.work, start=settled.spend)
            if emptied is not None and self.keeps(emptied.spend):
                self.offer(emptied.spend, settled)  # without room there would be no prices
                return

    def _on_its_sides(self, guess: FloatArray) -> Box:
        sides = self.sides
        on = np.isnan(sides.off_low) | (guess >= sides.on_low)
        off = np.clip(guess, self.box.low, np.where(on, np.inf, sides.off_high))
        low, high = np.where(on, sides.on_low, off), np.where(on, sides.on_high, off)
        return Box(low, np.maximum(high, low), np.zeros_like(low))

    def _guesses(self, spend: FloatArray) -> Iterator[FloatArray]:
        """Return splits near one, which say for every line on which side it is to be."""
        low, on = self.box.low, np.maximum(spend, self.sides.on_low)
        curves = self.master.problem.curves
        touch, _ = curves.envelope(low, self.box.high, self.box.gate).chords()
        yield np.where(spend >= low + 0.5 * (touch - low), on, low)
        yield spend
        yield np.where(spend < touch, low, spend)
        yield np.where(spend > low, on, low)

    def _charge(self, tree: Tree, root: Relaxed) -> None:
        """Lower the bound, and choose sides, with the limits that do not nest charged for."""
        for harder in _HARDER:
            charged = charge(self.master, self.box, tree, root, self.work, harder)
            self.bound = min(self.bound, charged.bound)
            self.settle(charged.spend, root)
            if self.best is not None:
                break

    def _branch(self, root: Relaxed) -> None:
        """Branch on the spends of single lines, the part with the highest bound first."""
        heap = [(-root.bound, 0, Part(self.master, self.box, root))]
        closed, count = -np.inf, 0
        while heap:
            negative, _, node = heapq.heappop(heap)
            over = self.is_done or self.work.is_over or count >= _NODES
            if -negative <= self.close_enough or over:
                closed = max(closed, -negative)
                break
            children = node.halves(self.sides) or node.sharper(self.true, self.close_enough)
            if not children:
                closed = max(closed, -negative)
            for child in children:
                solved = relax(
                    child.master, child.box, self.work,
                    columns=child.near.columns if child.master is node.master else None,
                    start=child.near.spend, close=ROUGH, enough=self.close_enough,
                )  # fmt: skip
                if solved is None:
                    continue
                count += 1
                self.offer(solved.spend, solved)
                if self.box.low.size <= _SMALL or count % _EVERY == 0 or self.best is None:
                    self.settle(solved.spend, solved)
                bound = min(solved.bound, -negative)
                if bound > self.close_enough:
                    heapq.heappush(heap, (-bound, count, Part(child.master, child.box, solved)))
                else:
                    closed = max(closed, bound)
        self.bound = min(self.bound, max(closed, self.value))

    def price_freely(self) -> None:
        """Price the best plan where limits themselves hold its lines, not boxes cut to them.

        A box that was cut to what a group can give, or by branching, takes over the price of what
        it was cut to.
        """
        if self.best is None or self.any_plan:
            return
        wide = fold(self.true.changed(groups=()), Sets.of(()))
        if self.master.tabled.is_needed:
            self._price_nearby(self.best, wide)
        elif self.true.gate is None and np.isfinite(wide.high).all():
            self._price_on_sides(self.best, wide)

    def _price_nearby(self, plan: FloatArray, wide: Box) -> None:
        """Price the plan by the best mix around it, where every curve is all but straight.

        Limits that ask for less of an outcome are met by many a mix, most of them far from the plan
        and held by the ends of their box.
        """
        near = wide.around(plan, _NEARBY * (float(plan.sum()) or self.master.money))
        closest = relax(Master.of(self.true, near), near, self.work, start=plan, close=_SHARP)
        if closest is not None:
            self.priced = replace(closest, spend=plan)

    def _price_on_sides(self, plan: FloatArray, wide: Box) -> None:
        """Price the plan with each line on its side, and keep what that finds if it is better."""
        problem = self.true
        if not problem.curves.bent(problem.lower).any():
            return
        sides = split_sides(problem.curves, wide)
        on = np.isnan(sides.off_low) | (plan >= sides.on_low)
        low, high = np.where(on, sides.on_low, plan), np.where(on, sides.on_high, plan)
        freed = relax(
            self.master, Box(low, high, np.zeros_like(low)), self.work,
            start=plan, close=_SHARP,
        )  # fmt: skip
        if freed is None:
            return
        value = float(problem.curves.value(freed.spend).sum())
        if value >= self.value - _SAME * abs(self.value) and self.keeps(freed.spend):
            self.priced = freed
            if value > self.value:
                self.best, self.value = freed.spend, value

    def result(self) -> CoupledSolution:
        """Return what is known."""
        if self.priced is None:
            none = np.zeros(self.true.size)
            return CoupledSolution(
                spend=None, bound=-np.inf, prices={}, line_price=none, weight=none
            )
        latest = self.priced.latest
        prices = dict(zip(self.master.rows.names, latest.row_price.tolist(), strict=True))
        for index, rail in enumerate(self.true.guardrails):
            # d outcome / d limit: the row's price times how the row moves with its limit
            per = 1.0 if rail.per is None else self.true.measure(rail.per, self.priced.spend)
            prices[rail.id] = -float(latest.rail_price[index]) * rail.sign * per
        return CoupledSolution(
            spend=self.best,
            bound=self.bound if np.isinf(self.bound) else self.bound + _ROUNDING * abs(self.bound),
            prices=prices,
            line_price=self.priced.line_price(self.true),
            weight=1.0 + rail_weight(self.master.problem, latest.rail_price, OUTCOME),
        )


def _emptied(box: Box, spend: FloatArray, hair: float) -> Box:
    """Return the box without room for lines that a split gives next to nothing.

    Where a guardrail can be kept only by spending nothing on some lines, a linear program spends
    its own tolerance on them.
    """
    little = spend - box.low <= hair * (box.high - box.low)
    return Box(box.low, np.where(little, box.low, box.high), np.where(little, 0.0, box.gate))
