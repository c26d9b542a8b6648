"""A world whose truth is known: it spends, answers, and shows only what an advertiser sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pipeline.core.errors import UsageError
from pipeline.core.history import History, Vintages
from pipeline.core.learning import Lesson
from pipeline.core.types import FloatArray, IntArray, Line
from pipeline.simulation.worlds.curves import TrueCurves
from pipeline.simulation.worlds.demand import DemandPath
from pipeline.simulation.worlds.recipes import Recipe
from pipeline.simulation.worlds.reporting import (
    MAX_AGE,
    Faults,
    arrivals,
    completeness,
    order_revenue,
    poisson_from,
)

RAMP_SHARE = 0.25
LINE_FLOOR, LINE_CAP = 0.2, 3.0  # of a line's budget on the first night


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Everything about a world that no budget can change.

    Attributes:
        kind, seed: what it was drawn from.
        recipe: the kind's recipe.
        first_day: of the calendar.
        lines: (channel, audience) each.
        channel: (n_lines,), index.
        reference: (n_lines,), spend at which the curves are 1.
        effect: (n_lines,), incremental revenue a day at the reference spend and demand 1.
        organic: (n_lines,), revenue a day without any spend at demand 1.
        order_value: (n_lines,), mean revenue of a conversion.
        curves: one a line.
        retention: (n_lines,).
        demand: over the whole life.
        effect_path: (n_days, n_lines), factor on `effect`: drift and breaks.
        delivery: (n_days, n_lines), spend over budget.
        luck: (2, n_days, n_lines), gamma factor with mean 1, and a uniform: noise of counts.
        faults: of the reports.
    """

    kind: str
    seed: int
    recipe: Recipe
    first_day: date
    lines: tuple[Line, ...]
    channel: IntArray
    reference: FloatArray
    effect: FloatArray
    organic: FloatArray
    order_value: FloatArray
    curves: TrueCurves
    retention: FloatArray
    demand: DemandPath
    effect_path: FloatArray
    delivery: FloatArray
    luck: FloatArray
    faults: Faults

    @property
    def n_days(self) -> int:
        """Days that the world can live."""
        return int(self.effect_path.shape[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Morning:
    """What a policy is given before it decides a day's budgets.

    Attributes:
        day: the day to decide.
        history: up to the day before, as reported by now.
        vintages: what earlier mornings had seen, from the first night on.
        current: (n_lines,), budgets of the day before.
        total: to be spent in full.
        floor, cap: (n_lines,), limits for this day, ramp included.
        explored: (n_lines,), what of `current` the policy had set to learn only; None for nothing.
        lessons: the pairs of lines that it had moved for it.
    """

    day: date
    history: History
    vintages: Vintages
    current: FloatArray
    total: float
    floor: FloatArray
    cap: FloatArray
    explored: FloatArray | None = None
    lessons: tuple[Lesson, ...] = ()


class World:
    """A living world: `live` spends a day, `morning` shows what is known then."""

    def __init__(self, truth: Truth) -> None:
        n_lines, n_days = len(truth.lines), truth.n_days
        self.truth = truth
        self.age = 0
        self.spend = np.zeros((n_days, n_lines))
        self.budgets = np.zeros((n_days, n_lines))
        self.incremental = np.zeros((n_days, n_lines))
        self.current = truth.reference.copy()
        self.start = truth.reference.copy()
        self.first_night = 0
        self._carried = truth.reference.copy()
        self._seen = np.zeros((2, n_days, n_lines, MAX_AGE))  # conversions, revenue by age
        self._share_by_age = completeness(truth.recipe.reported)
        self._snapshots: list[tuple[FloatArray, FloatArray, tuple[str, ...], FloatArray]] = []

    @property
    def today(self) -> date:
        """The day that has not been lived yet."""
        return self.truth.first_day + timedelta(days=self.age)

    def live(self, budgets: FloatArray, *, reports: bool = True) -> None:
        """Spend one day's budgets and let outcomes happen.

        Args:
            budgets: (n_lines,), >= 0; delivery differs a little.
            reports: False skips drawing what is reported, for policies that never look.
        """
        truth, day = self.truth, self.age
        if day >= truth.n_days:
            raise UsageError(f"world {truth.kind}/{truth.seed}: its {truth.n_days} days are over")
        self.current = np.array(budgets, dtype=np.float64)
        self.budgets[day] = self.current
        spend = self.current * truth.delivery[day]
        self._carried = truth.retention * self._carried + (1 - truth.retention) * spend
        demand = truth.demand.calendar[day] + truth.demand.shock[day]
        effect = truth.effect * truth.effect_path[day] * self._relative(self._carried)
        self.spend[day] = spend
        self.incremental[day] = effect * np.exp(demand)
        if reports:
            self._report(day, (effect + truth.organic) * np.exp(demand))
        self.age = day + 1

    def begin_nights(self) -> None:
        """Set the status quo: the mean budget that the last seven days really spent."""
        self.start = self.spend[self.age - 7 : self.age].mean(axis=0)
        self.current = self.start.copy()
        self.first_night = self.age

    def morning(self) -> Morning:
        """Return what an advertiser knows before deciding today's budgets."""
        floor, cap = self.box()
        return Morning(
            day=self.today,
            history=self.history(),
            vintages=self.vintages(),
            current=self.current.copy(),
            total=float(self.start.sum()),
            floor=floor,
            cap=cap,
        )

    def box(self) -> tuple[FloatArray, FloatArray]:
        """Return today's least and largest budgets: the caps of the world and the ramp."""
        least, most = self.caps()
        floor = np.maximum(least, (1 - RAMP_SHARE) * self.current)
        cap = np.minimum(most, (1 + RAMP_SHARE) * self.current)
        return floor, cap

    def caps(self) -> tuple[FloatArray, FloatArray]:
        """Return the least and largest budgets that finance allows, whatever the ramp."""
        return LINE_FLOOR * self.start, LINE_CAP * self.start

    def history(self) -> History:
        """Return every lived day as reported by now; the last days are incomplete."""
        days = np.arange(self.age)
        seen = self._seen[:, days, :, np.minimum(self.age - days, MAX_AGE) - 1]
        conversions, revenue = seen[:, 0], seen[:, 1]
        faults = self.truth.faults
        audible = ~faults.silent[: self.age]
        return History(
            days=tuple(self.truth.first_day + timedelta(days=int(i)) for i in days),
            lines=self.truth.lines,
            spend=self.spend[: self.age] * faults.spend_factor[: self.age],
            outcomes={
                "conversions": conversions * audible,
                "revenue": revenue * audible * faults.revenue_factor[: self.age],
            },
            trusted=np.ones((self.age, len(self.truth.lines)), dtype=bool),
        )

    def complete_conversions(self, day: int) -> FloatArray:
        """Return what a day will be known to have brought in the end, (n_lines,)."""
        return np.array(self._seen[0, day, :, -1])

    def take_snapshot(self) -> None:
        """Keep what this morning shows of the last `MAX_AGE` days, for later vintages."""
        truth = self.truth
        days = np.arange(max(self.age - MAX_AGE, 0), self.age)
        seen = self._seen[0, days, :, self.age - days - 1] * ~truth.faults.silent[days]
        names = [line[0] for line in truth.lines]
        channels = sorted(set(names))
        member = np.array([[name == channel for channel in channels] for name in names])
        totals = seen @ member.astype(np.float64)
        self._snapshots.append(
            (
                np.full(totals.size, float(self.today.toordinal())),
                np.repeat(days + float(truth.first_day.toordinal()), len(channels)),
                tuple(channels) * days.size,
                totals.reshape(-1),
            )
        )

    def vintages(self) -> Vintages:
        """Return the conversions that earlier mornings' snapshots showed."""
        nothing = np.empty(0)
        seen_on, day, group, outcome = (
            zip(*self._snapshots, strict=True) if self._snapshots else ((), (), (), ())
        )
        return Vintages(
            seen_on=np.concatenate([nothing, *seen_on]),
            day=np.concatenate([nothing, *day]),
            group=tuple(name for names in group for name in names),
            outcome=np.concatenate([nothing, *outcome]),
        )

    def true_values(
        self, spend: FloatArray, *, hold_nights: int = 14, tail_days: int = 28
    ) -> FloatArray:
        """Return the true value per night of holding each spend from today on.

        What the spend earns over spending nothing in those nights, later days included, from
        today's carry-in on; afterwards the current budget is spent. Demand and effect stay as a
        perfect forecaster expects them for today.

        Args:
            spend: (n_lines, n_knots).
            hold_nights: nights that the spend stays.
            tail_days: days after them that still count.
        """
        truth = self.truth
        scale = truth.effect * truth.effect_path[self.age - 1] * truth.demand.expected(self.age)
        keep, base = truth.retention, self.current
        state = np.repeat(self._carried[None, :], spend.shape[1], axis=0)  # (n_knots, n_lines)
        idle = self._carried.copy()
        total = np.zeros((spend.shape[1], len(truth.lines)))
        for night in range(hold_nights + tail_days):
            held = night < hold_nights
            state = keep * state + (1 - keep) * (spend.T if held else base)
            idle = keep * idle + (1 - keep) * (0.0 if held else base)
            total += self._curve(state) - self._curve(idle)
        value = (scale * total / hold_nights).T
        if truth.recipe.halo:
            others = float((scale * self._curve(self._carried))[1:].sum())
            value[0] += truth.recipe.halo * others * (spend[0] / truth.reference[0])
        return np.asarray(value)

    def true_marginal(self, *, hold_nights: int = 14, tail_days: int = 28) -> FloatArray:
        """Return each line's true marginal return at its current budget, (n_lines,)."""
        step = 0.01 * self.current
        around = np.stack([self.current - step, self.current + step], axis=1)
        value = self.true_values(around, hold_nights=hold_nights, tail_days=tail_days)
        return np.asarray((value[:, 1] - value[:, 0]) / (2 * step))

    def true_uplift(
        self, budgets: FloatArray, *, hold_nights: int = 14, tail_days: int = 28
    ) -> float:
        """Return what holding `budgets` truly earns a night over holding the current ones."""
        both = np.stack([self.current, budgets], axis=1)
        value = self.true_values(both, hold_nights=hold_nights, tail_days=tail_days)
        return float((value[:, 1] - value[:, 0]).sum())

    def _curve(self, carried: FloatArray) -> FloatArray:
        return self.truth.curves(carried / self.truth.reference)

    def _relative(self, carried: FloatArray) -> FloatArray:
        """Return the relative effect with halo: line 0 lifts or lowers all others."""
        effect = self._curve(carried)
        if self.truth.recipe.halo:
            away = carried[0] / self.truth.reference[0] - 1
            effect[1:] *= 1 + self.truth.recipe.halo * np.clip(away, -0.9, 2.0)
        return effect

    def _report(self, day: int, revenue_mean: FloatArray) -> None:
        truth = self.truth
        rng = np.random.default_rng([truth.seed, 11, day])
        mean = revenue_mean / truth.order_value * truth.luck[0, day]
        conversions = poisson_from(truth.luck[1, day], mean)
        arrived = arrivals(conversions, self._share_by_age, rng)
        revenue = order_revenue(arrived, truth.order_value, truth.recipe.order_cv, rng)
        self._seen[0, day] = np.cumsum(arrived, axis=1)
        self._seen[1, day] = np.cumsum(revenue, axis=1)
