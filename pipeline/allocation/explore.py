"""Spending a little money away from the best known split, in order to learn, while that pays.

Lines are paired by chance: in every pair one goes up and one comes down by the same money, so the
total stays. A perfect optimiser removes the variation that identifies its curves; this
gives some back, as an account of its own. A pair is moved only while what its lines would teach is
worth more, over the nights that would use it, than tonight's move costs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from pipeline.allocation.lessons import Lessons, Move, Prices, known_of
from pipeline.allocation.pairs import Pair, pair_up
from pipeline.allocation.problem import Problem
from pipeline.core.curves import ResponseTable
from pipeline.core.types import BoolArray, FloatArray, IntArray

STEP_SHARE = 0.10
"""Of a line's budget: what it moves when it explores."""

LEAST_LESSON = 0.02
"""Of a line's doubt. Where all nights of the horizon together would teach neither line of a pair
more, its worth is a small number times a doubtful one, while the pair costs money for sure."""

LEAST_MOVE = 1e-9  # of the budget; less is no move


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """The account of one night.

    Attributes:
        budgets: (n_lines,), with the moves in them.
        moves: made, the most worth for its money first.
        most_cost: outcome that may be given up.
        unpaid: pairs that would have taught less than they cost, or next to nothing.
        uncovered: pairs for which the account had nothing left.
        surer: (n_lines,), share by which the variance of what the next unit earns would fall over
            as many such nights as the horizon has; 0 for lines that are not moved.
    """

    budgets: FloatArray
    moves: tuple[Move, ...]
    most_cost: float
    unpaid: int
    uncovered: int
    surer: FloatArray


def explore(
    problem: Problem,
    budgets: FloatArray,
    table: ResponseTable,
    prices: Prices,
    dice: IntArray,
    begun: Collection[Pair] = (),
) -> Exploration:
    """Return the budgets with balanced moves inside the limits, same total, and what they cost.

    Each pair moves as far as lines and groups of lines leave room; guardrails are not looked at.

    Args:
        problem: whose limits `budgets` keeps.
        budgets: (n_lines,), the best known split as far as it is to be followed.
        table: joint draws of the objective.
        dice: (n_lines,), the week's, see `pair_up`.
        begun: pairs that were moved earlier in the week. A lesson that has begun is not given up
            for what one night thinks of it.
    """
    limits = _Limits(problem, budgets)
    lessons = Lessons(known_of(budgets, table, prices), prices)
    wishes = [
        lessons.move(up, down, STEP_SHARE * float(min(budgets[up], budgets[down])))
        for up, down in pair_up(dice, begun)
    ]
    most_cost = prices.cost_share * lessons.earned()
    left, account = prices.money_share * float(budgets.sum()), most_cost
    least = LEAST_MOVE * max(float(budgets.sum()), 1.0)
    moves: list[Move] = []
    unpaid = uncovered = 0
    # The account goes first to where what is learned is worth most for its money.
    for wish in sorted(wishes, key=lambda wish: (wish.cost - wish.worth) / max(wish.money, least)):
        room = min(wish.money, limits.room(wish.up, wish.down))
        if room <= least:
            continue
        if left <= least:
            uncovered += 1
            continue
        move = lessons.move(wish.up, wish.down, min(room, left))
        in_all = lessons.after(move)
        goes_on = (move.up, move.down) in begun
        if not goes_on and (move.worth <= move.cost or in_all.max() < LEAST_LESSON):
            unpaid += 1
            continue
        if move.cost > account:
            uncovered += 1
            continue
        limits.move(move.up, move.down, move.money)
        left -= move.money
        account -= max(move.cost, 0.0)
        lessons.take(move)
        moves.append(move)
    return Exploration(
        budgets=limits.budgets,
        moves=tuple(moves),
        most_cost=most_cost,
        unpaid=unpaid,
        uncovered=uncovered,
        surer=lessons.surer(),
    )


def keep_on(
    found: Exploration,
    budgets: FloatArray,
    table: ResponseTable,
    prices: Prices,
    money: Mapping[Pair, float],
) -> Exploration:
    """Return the account of a night that leaves its pairs at the money that is on them already.

    Args:
        found: with the pairs of the night.
        budgets: (n_lines,), without the lessons.
        money: of each pair, first what goes up.
    """
    lessons, kept = Lessons(known_of(budgets, table, prices), prices), budgets.copy()
    moves = []
    for move in found.moves:
        moves.append(lessons.move(move.up, move.down, money[move.up, move.down]))
        lessons.take(moves[-1])
        kept[[move.up, move.down]] += np.array([1.0, -1.0]) * moves[-1].money
    return replace(found, budgets=kept, moves=tuple(moves), surer=lessons.surer())


class _Limits:
    """What lines and groups of lines still leave room for, as pairs are moved one by one.

    Attributes:
        budgets: (n_lines,), with the moves made so far.
    """

    def __init__(self, problem: Problem, budgets: FloatArray) -> None:
        self.budgets = budgets.copy()
        self._least = problem.lower
        if problem.gate is not None:  # a line that is on stays on
            self._least = np.maximum(problem.lower, problem.gate)
        self._most = problem.upper
        self._member = np.zeros((len(problem.groups), budgets.size), dtype=bool)
        for row, group in enumerate(problem.groups):
            self._member[row, group.members] = True
        self._group_least = np.array([group.min for group in problem.groups])
        self._group_most = np.array([group.max for group in problem.groups])
        self._total = self._member @ budgets

    def room(self, up: int, down: int) -> float:
        """Return the most money that may go from one line to another; below 0 if there is none."""
        into, out_of = self._crossed(up, down)
        return min(
            float(self._most[up] - self.budgets[up]),
            float(self.budgets[down] - self._least[down]),
            float((self._group_most - self._total)[into].min(initial=np.inf)),
            float((self._total - self._group_least)[out_of].min(initial=np.inf)),
        )

    def move(self, up: int, down: int, money: float) -> None:
        """Move money from one line to another."""
        into, out_of = self._crossed(up, down)
        self.budgets[[up, down]] += np.array([money, -money])
        self._total[into] += money
        self._total[out_of] -= money

    def _crossed(self, up: int, down: int) -> tuple[BoolArray, BoolArray]:
        """Return the groups that money between two lines comes into, and those it leaves."""
        has_up, has_down = self._member[:, up], self._member[:, down]
        return has_up & ~has_down, has_down & ~has_up
