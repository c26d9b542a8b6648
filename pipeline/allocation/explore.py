"""Spending a little money away from the best known split, in order to learn, while that pays.

Lines are paired by chance: in every pair one goes up and one comes down by the same money, so the
total stays. A perfect optimiser removes the variation that identifies its curves; this
gives some back, as an account of its own. A pair is moved only while what its lines would teach is
worth more, over the nights that would use it, than tonight's move costs.

The worth of knowing a line's marginal return: with what is known now, money goes where the mean
says; with the truth it would go further or less far, and gain half the square of the error over
the curvature, as far as the daily change limit lets it. Source: Raiffa and Schlaifer (1961),
expected value of sample information, for a response that is locally a power of spend.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from pipeline.allocation.pairs import Pair, pair_up
from pipeline.allocation.problem import Problem
from pipeline.core.curves import SUMMED_LINES, ResponseTable
from pipeline.core.types import BoolArray, FloatArray, IntArray

STEP_SHARE = 0.10
"""Of a line's budget: what it moves when it explores."""

LEAST_LESSON = 0.02
"""Of a line's doubt. Where all nights of the horizon together would teach neither line of a pair
more, its worth is a small number times a doubtful one, while the pair costs money for sure."""

LEAST_MOVE = 1e-9  # of the budget; less is no move


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What an exploration may cost, and how long what it teaches is used.

    Attributes:
        money_share: of all money that may be moved away from the best known split.
        cost_share: of tonight's expected outcome that may be given up.
        horizon_days: nights that use what is learned.
        ramp_share: the daily change limit, which bounds how far knowledge can be followed.
        noise: (n_lines,), relative variance of a line's day.
    """

    money_share: float
    cost_share: float
    horizon_days: float
    ramp_share: float
    noise: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One pair: money from one line to another.

    Attributes:
        up, down: lines, by place.
        cost: expected outcome that the move gives up tonight; below 0 it is expected to gain.
        worth: expected gain over the horizon from what the two lines then teach.
    """

    up: int
    down: int
    money: float
    cost: float
    worth: float


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
    limits, lessons = _Limits(problem, budgets), _lessons(budgets, table, prices)
    wishes = [
        lessons.move(up, down, STEP_SHARE * float(min(budgets[up], budgets[down])))
        for up, down in pair_up(dice, begun)
    ]
    most_cost = prices.cost_share * lessons.earned()
    left, account = prices.money_share * float(budgets.sum()), most_cost
    least = LEAST_MOVE * max(float(budgets.sum()), 1.0)
    surer = np.zeros(budgets.size)
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
        pair = [move.up, move.down]
        in_all = lessons.after(pair, move.money, nights=prices.horizon_days)
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
        surer[pair] = in_all
        moves.append(move)
    return Exploration(
        budgets=limits.budgets,
        moves=tuple(moves),
        most_cost=most_cost,
        unpaid=unpaid,
        uncovered=uncovered,
        surer=surer,
    )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lessons:
    """What is to be learned of each line.

    Attributes:
        spend, mean: (n_lines, n_knots), what spends are expected to earn; linear between knots, so
            the mean of all draws needs no draws.
        horizon: nights that use what is learned.
        worth: (n_lines,), outcome a day that perfect knowledge of the marginal return is worth.
        doubt: (n_lines,), relative variance of the marginal return.
        signal: (n_lines,), change of log outcome per relative change of spend, over its noise.
    """

    budgets: FloatArray
    spend: FloatArray
    mean: FloatArray
    horizon: float
    worth: FloatArray
    doubt: FloatArray
    signal: FloatArray

    def earned(self) -> float:
        """Return what the budgets are expected to earn."""
        return max(sum(self._earns(line, 0.0) for line in range(self.budgets.size)), 0.0)

    def move(self, up: int, down: int, money: float) -> Move:
        """Return a move with its price and what it teaches."""
        pair, step = [up, down], [money, -money]
        cost = sum(
            self._earns(line, 0.0) - self._earns(line, change)
            for line, change in zip(pair, step, strict=True)
        )
        taught = self.after(pair, money, nights=1.0)
        worth = self.horizon * float((self.worth[pair] * taught).sum())
        return Move(up=up, down=down, money=money, cost=cost, worth=worth)

    def _earns(self, line: int, change: float) -> float:
        spend = self.budgets[line] + change
        return float(np.interp(spend, self.spend[line], self.mean[line]))

    def after(self, lines: list[int], money: float, nights: float) -> FloatArray:
        """Return the share of these lines' doubt that so many nights of a step remove."""
        moved = money / np.maximum(self.budgets[lines], 1e-12)
        known = self.doubt[lines] * nights * np.square(self.signal[lines] * moved)
        return np.asarray(known / (1.0 + known))


def _lessons(budgets: FloatArray, table: ResponseTable, prices: Prices) -> _Lessons:
    step = np.maximum(0.05 * budgets, 1e-3 * table.spend[:, 1])
    low, high = np.maximum(budgets - step, 0.0), budgets + step
    blocks = [slice(i, i + SUMMED_LINES) for i in range(0, budgets.size, SUMMED_LINES)]
    weight = budgets / max(float(budgets.sum()), 1e-12)

    def ratios(lines: slice) -> tuple[FloatArray, FloatArray]:
        """Return the marginal return's mean, and each draw over it."""
        rise = table.at(high, lines) - table.at(low, lines)  # (n_draws, n_lines)
        marginal = rise / (high - low)[lines]
        mean = np.maximum(marginal.mean(axis=0), 1e-12)
        return mean, marginal / mean

    # What all lines have in common moves no money; what one has over the others does.
    common = np.sum([ratios(lines)[1] @ weight[lines] for lines in blocks], axis=0)
    worth, doubt, signal = np.empty((3, budgets.size))
    for lines in blocks:
        budget = budgets[lines]
        mean, ratio = ratios(lines)
        value = np.maximum(table.at(budgets, lines).mean(axis=0), 1e-12)
        elasticity = np.clip(mean * budget / value, 0.05, 0.95)
        ratio -= common[:, None]
        off = ratio * mean
        bend = (1 - elasticity) * mean / np.maximum(budget, 1e-12)  # - curvature
        reach = prices.ramp_share * budget
        free = np.square(off) / (2 * bend)
        bounded = np.abs(off) * reach - 0.5 * bend * reach**2
        gain = np.where(np.abs(off) <= bend * reach, free, bounded)
        caused = value / np.maximum(value + table.organic[:, lines].mean(axis=0), 1e-12)
        worth[lines] = np.where(budget > 0, gain.mean(axis=0), 0.0)
        doubt[lines] = np.square(ratio).mean(axis=0)
        signal[lines] = elasticity * caused / np.sqrt(np.maximum(prices.noise[lines], 1e-6))
    return _Lessons(
        budgets=budgets,
        spend=table.spend,
        mean=table.mean(),
        horizon=prices.horizon_days,
        worth=worth,
        doubt=doubt,
        signal=signal,
    )
