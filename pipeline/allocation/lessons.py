"""What moving money between lines would teach, what that is worth, and what it costs.

The worth of knowing a line's marginal return: with what is known now, money goes where the mean
says; with the truth it would go further or less far, and gain half the square of the error over
the curvature, as far as the daily change limit lets it. Source: Raiffa and Schlaifer (1961),
expected value of sample information, for a response that is locally a power of spend.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.curves import SUMMED_LINES, ResponseTable
from pipeline.core.types import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What an exploration may cost, and how long what it teaches is used.

    Attributes:
        money_share: of all money that may be moved away from the best known split.
        cost_share: of tonight's expected outcome that may be given up.
        horizon_days: nights that use what is learned.
        ramp_share: the daily change limit, which bounds how far knowledge can be followed.
        noise: (n_lines,), variance of the night that a line is taught by, relative to the square of
            what the line itself has that night.
        series: (n_lines,), what a line is known by, >= 0; lines that share it are taught by one
            number a night. None where each has days of its own.
    """

    money_share: float
    cost_share: float
    horizon_days: float
    ramp_share: float
    noise: FloatArray
    series: IntArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One pair: money from one line to another.

    Attributes:
        up, down: lines, by place.
        cost: expected outcome that the move gives up tonight; below 0 it is expected to gain.
        worth: expected gain over the horizon from what is then learned beside the moves before it.
    """

    up: int
    down: int
    money: float
    cost: float
    worth: float


class Lessons:
    """What is to be learned of each line, and what the moves so far teach.

    A night with moves of lines that one series knows tells their sum. Where `k_i` is the doubt of a
    line over the noise of that sum, in units of what its move makes of it, such nights remove the
    share `n k_i / (1 + n sum of k)` of the line's doubt: of a line with days of its own, that of a
    regression. Source: the posterior variance of a normal vector after noisy sums of it.
    """

    def __init__(self, known: Known, prices: Prices) -> None:
        n_lines = known.budgets.size
        self._known, self._horizon = known, prices.horizon_days
        self._series = np.arange(n_lines) if prices.series is None else prices.series
        self._told = np.zeros(n_lines)  # k of the moves so far
        self._sum, self._gain = np.zeros((2, int(self._series.max(initial=0)) + 1))

    def earned(self) -> float:
        """Return what the budgets are expected to earn."""
        known = self._known
        return max(sum(known.earns(line, 0.0) for line in range(known.budgets.size)), 0.0)

    def move(self, up: int, down: int, money: float) -> Move:
        """Return a move with its price and what it teaches beside the moves so far."""
        known, pair = self._known, [up, down]
        cost = sum(
            known.earns(line, 0.0) - known.earns(line, change)
            for line, change in zip(pair, (money, -money), strict=True)
        )
        told = known.told(pair, money)
        before = after = 0.0
        for place in set(self._series[pair].tolist()):
            inside = self._series[pair] == place
            total, gain = self._sum[place], self._gain[place]
            before += gain / (1.0 + total)
            gain += float((known.worth[pair] * told)[inside].sum())
            after += gain / (1.0 + total + float(told[inside].sum()))
        worth = self._horizon * float(after - before)
        return Move(up=up, down=down, money=money, cost=cost, worth=worth)

    def after(self, move: Move) -> FloatArray:
        """Return the share of both lines' doubt that all nights remove, beside the moves so far."""
        pair = [move.up, move.down]
        told, series = self._known.told(pair, move.money), self._series[pair]
        both = told + told[::-1] * (series[0] == series[1])
        return np.asarray(self._horizon * told / (1.0 + self._horizon * (self._sum[series] + both)))

    def take(self, move: Move) -> None:
        """Count a move among those that are made."""
        pair = [move.up, move.down]
        self._told[pair] = told = self._known.told(pair, move.money)
        np.add.at(self._sum, self._series[pair], told)
        np.add.at(self._gain, self._series[pair], self._known.worth[pair] * told)

    def surer(self) -> FloatArray:
        """Return the share of each line's doubt that all nights of the moves so far remove."""
        told = self._horizon * self._told
        return np.asarray(told / (1.0 + self._horizon * self._sum[self._series]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of each line at its budget.

    Attributes:
        spend, mean: (n_lines, n_knots), what spends are expected to earn; linear between knots, so
            the mean of all draws needs no draws.
        worth: (n_lines,), outcome a day that perfect knowledge of the marginal return is worth.
        doubt: (n_lines,), relative variance of the marginal return.
        signal: (n_lines,), change of log outcome per relative change of spend, over its noise.
    """

    budgets: FloatArray
    spend: FloatArray
    mean: FloatArray
    worth: FloatArray
    doubt: FloatArray
    signal: FloatArray

    def earns(self, line: int, change: float) -> float:
        """Return what a line is expected to earn at its budget and a change of it."""
        spend = self.budgets[line] + change
        return float(np.interp(spend, self.spend[line], self.mean[line]))

    def told(self, lines: list[int], money: float) -> FloatArray:
        """Return lines' doubt over the noise of a night, in units of what a move makes of it."""
        moved = money / np.maximum(self.budgets[lines], 1e-12)
        return np.asarray(self.doubt[lines] * np.square(self.signal[lines] * moved))


def known_of(budgets: FloatArray, table: ResponseTable, prices: Prices) -> Known:
    """Return what the draws know of each line at its budget, over what all lines share."""
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
    return Known(
        budgets=budgets,
        spend=table.spend,
        mean=table.mean(),
        worth=worth,
        doubt=doubt,
        signal=signal,
    )
