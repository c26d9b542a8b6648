"""What will be reported on the days ahead where outcomes are known for groups of lines only.

A series is what its lines' spend causes, plus what comes beside it, plus chance. A forecast is of
whole periods: where rows are weeks, of the weeks that begin on the plan's day or after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.forecast import HORIZONS, LEVELS, Forecast, Paid
from pipeline.core.history import History
from pipeline.core.types import FloatArray, IntArray, Line, SmallArray
from pipeline.response.curves import SHAPES
from pipeline.response.joint.beside import baseline_ahead
from pipeline.response.joint.design import calendar_ahead
from pipeline.response.joint.gibbs import POWER
from pipeline.response.joint.moments import NOISES
from pipeline.response.joint.posterior import JointPosterior
from pipeline.response.predict import STEP


@dataclass(frozen=True, slots=True, kw_only=True)
class JointPredictive:
    """Joint draws of the future of every series, ready to be asked about any spend.

    The days ahead begin right after the history, and fall into whole periods.

    Attributes:
        metric: what is counted.
        day: the first that is forecast: the first period that begins on the plan's day or after.
        lines: (n_lines,), budget lines.
        units: (n_units,), the series.
        unit_of: (n_lines,), each line's series; -1 where it has none.
        period_days: how many days one observation spans.
        lead_days: days before `day`.
        past_days: those of them before the plan's day: its budgets are not spent on them.
        reference: (n_lines,), spend at which every shape is 1.
        carried: (n_retentions, n_lines), adstock at the end of history.
        retentions: (n_retentions,), share kept per day.
        coefficient: (n_draws, n_lines), outcome a day that the reference spend causes.
        retention, shape: (n_draws, n_lines), indices into `retentions` and into the library.
        baseline: (n_draws, n_periods, n_units), outcome a day beside spend but for chance.
        kept, share: (n_draws, n_units), of chance: what wanders keeps from one period to the next,
            and its part of the variance.
        variance: (n_draws, n_units), of chance in a usual period.
        odd: (n_past, n_units), variance of past periods relative to usual.
        alike: share of chance that all series have in common.
    """

    metric: str
    day: date
    lines: tuple[Line, ...]
    units: tuple[Line, ...]
    unit_of: IntArray
    period_days: int
    lead_days: int
    past_days: int
    reference: FloatArray
    carried: FloatArray
    retentions: FloatArray
    coefficient: FloatArray
    retention: SmallArray
    shape: SmallArray
    baseline: FloatArray
    kept: FloatArray
    share: FloatArray
    variance: FloatArray
    odd: FloatArray
    alike: float

    def expected(self, spend: FloatArray) -> FloatArray:
        """Return the outcome of each draw and period without chance, (n_draws, n_periods, n_units).

        Args:
            spend: (n_days, n_lines), of the first days ahead; whole periods.
        """
        return self._with_lines(spend)[0]

    def outcomes(self, spend: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return draws of what will be reported once complete, (n_draws, n_periods, n_units).

        Args:
            spend: as in `expected`.
            rng: the only source of chance.
        """
        mean = self.expected(spend)
        return np.maximum(mean + self._chance(mean.shape[1], rng), 0.0)

    def forecast(
        self,
        budgets: FloatArray,
        current: FloatArray,
        rng: np.random.Generator,
        horizons: Sequence[int] = HORIZONS,
    ) -> Forecast:
        """Return what the plan promises over each horizon of whole periods.

        Args:
            budgets, current: (n_lines,), of the plan and in force before it.
        """
        horizons = tuple(days for days in horizons if days % self.period_days == 0)
        step = STEP * np.maximum(budgets, 0.05 * self.reference)
        n_days = self.lead_days + max(horizons)
        above, above_lines = self._with_lines(self._path(budgets + step, current, n_days))
        centre, lines = self._with_lines(self._path(budgets, current, n_days))
        before = self.expected(self._path(current, current, n_days))
        drawn = np.maximum(centre + self._chance(centre.shape[1], rng), 0.0)
        mean = self._sums(centre, horizons).mean(axis=0)
        rise = self._sums(above, horizons).mean(axis=0) - mean
        risen = np.stack([self._days(above_lines - lines, h).sum(axis=0) for h in horizons])
        return Forecast(
            metric=self.metric,
            day=self.day,
            lines=self.units,
            horizons=horizons,
            spend=self._money(budgets),
            status_quo_spend=self._money(current),
            mean=mean,
            status_quo=self._sums(before, horizons).mean(axis=0),
            slope=rise / np.maximum(self._money(step), 1e-12),
            quantiles=np.moveaxis(np.quantile(self._sums(drawn, horizons), LEVELS, axis=0), 0, -1),
            paid=Paid(
                lines=self.lines,
                group=self.unit_of,
                spend=budgets,
                status_quo_spend=current,
                slope=risen / np.maximum(step, 1e-12),
            ),
        )

    def night_variance(self) -> FloatArray:
        """Return the noise that a night of each line must stand out of, (n_lines,), variance.

        It is that of the line's series, of which a period of many nights is one observation, as
        it counts when curves are learned. Infinite for a line that no series knows.
        """
        of_night = self.period_days * self.variance.mean(axis=0) / POWER
        return np.append(of_night, np.inf)[self.unit_of]

    def _with_lines(self, spend: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return `expected`, and the mean of what each line causes a day, (n_days, n_lines)."""
        caused = np.empty((self.coefficient.shape[0], spend.shape[0], len(self.units)))
        lines = np.empty(spend.shape)
        member = self._member()
        state, keep = self.carried, self.retentions[:, None]
        column = np.arange(len(self.lines))
        for day in range(spend.shape[0]):
            state = keep * state + (1 - keep) * spend[day]
            relative = state / self.reference
            table = np.stack([shape.value(relative) for shape in SHAPES], axis=1)
            effect = self.coefficient * table[self.retention, self.shape, column]
            caused[:, day], lines[day] = effect @ member, effect.mean(axis=0)
        n_periods = spend.shape[0] // self.period_days
        by_period = caused.reshape(caused.shape[0], n_periods, self.period_days, -1).sum(axis=2)
        return np.maximum(by_period + self.period_days * self.baseline[:, :n_periods], 0.0), lines

    def _chance(self, n_periods: int, rng: np.random.Generator) -> FloatArray:
        """Return what nobody can know, (n_draws, n_periods, n_units), in outcome of a period."""
        n_draws, n_units = self.kept.shape
        steps = self._surprises((n_draws, n_periods, n_units), rng)
        white = self._surprises((n_draws, n_periods, n_units), rng)
        odd = self.odd[rng.integers(len(self.odd), size=(n_draws, n_periods))]
        step_sd = np.sqrt((1 - np.square(self.kept)) * self.share)
        wandering, paths = np.zeros((n_draws, n_units)), np.empty_like(steps)
        for period in range(n_periods):
            wandering = self.kept * wandering + step_sd * steps[:, period]
            paths[:, period] = wandering
        paths += np.sqrt((1 - self.share)[:, None] * odd) * white
        return np.asarray(self.period_days * np.sqrt(self.variance)[:, None] * paths)

    def _surprises(self, size: tuple[int, int, int], rng: np.random.Generator) -> FloatArray:
        own, common = rng.standard_normal(size), rng.standard_normal((*size[:2], 1))
        return np.asarray(np.sqrt(self.alike) * common + np.sqrt(1 - self.alike) * own)

    def _path(self, budgets: FloatArray, current: FloatArray, n_days: int) -> FloatArray:
        """Return the spend of the days ahead, (n_days, n_lines); of the past ones as before."""
        spend = np.tile(budgets, (n_days, 1))
        spend[: self.past_days] = current
        return spend

    def _member(self) -> FloatArray:
        return np.asarray((self.unit_of[:, None] == np.arange(len(self.units))).astype(float))

    def _money(self, budgets: FloatArray) -> FloatArray:
        """Return the money of each series and of all, (n_units + 1,)."""
        money = budgets @ self._member()
        return np.append(money, money.sum())

    def _days(self, daily: FloatArray, horizon: int) -> FloatArray:
        return daily[self.lead_days : self.lead_days + horizon]

    def _sums(self, paths: FloatArray, horizons: Sequence[int]) -> FloatArray:
        """Return sums over horizons, of each series and of all, (n_draws, n_horizons, n + 1)."""
        lead = self.lead_days // self.period_days
        ends = [lead + days // self.period_days for days in horizons]
        sums = np.stack([paths[:, lead:end].sum(axis=1) for end in ends], axis=1)
        return np.concatenate([sums, sums.sum(axis=2, keepdims=True)], axis=2)


def joint_predictive(
    posterior: JointPosterior,
    past: History,
    rng: np.random.Generator,
    *,
    day: date | None = None,
    n_days: int = max(HORIZONS),
) -> JointPredictive:
    """Return draws of the days after `past`.

    Args:
        posterior: fitted on `past`.
        past: what was known; whole periods.
        rng: the only source of chance.
        day: the plan's, or that after `past`; in a period that has begun, the next one is forecast.
        n_days: how many days are forecast; whole periods.

    Raises:
        PipelineError: `past` says nothing of groups of lines.
    """
    if past.measured is None:
        raise PipelineError("response: a joint forecast needs outcomes of groups of lines")
    period, next_day = past.measured.period_days, past.days[-1] + timedelta(days=1)
    past_days = 0 if day is None else (day - next_day).days
    lead_days = -(-past_days // period) * period
    series, library = posterior.beside, posterior.library
    calendars = [
        calendar_ahead(own, period, past.special, lead_days + n_days)
        for item in series
        for own in [past.days[-item.known.size * period :]]
    ]
    place = {item.unit: index for index, item in enumerate(series)}
    placed = np.array([place.get(unit, -1) for unit in past.measured.units] + [-1], dtype=np.int64)
    retentions = np.unique(library.retention)
    scale = np.array([item.scale for item in series])
    noise = np.asarray(NOISES)[np.column_stack([item.kind for item in series])]
    return JointPredictive(
        metric=posterior.metric,
        day=next_day + timedelta(days=lead_days),
        lines=posterior.lines,
        units=tuple(item.unit for item in series),
        unit_of=placed[past.measured.unit_of(past.lines)],
        period_days=period,
        lead_days=lead_days,
        past_days=past_days,
        reference=posterior.reference,
        carried=posterior.carried,
        retentions=retentions,
        coefficient=posterior.coefficient,
        retention=np.searchsorted(retentions, library.retention)[posterior.node].astype(np.int8),
        shape=np.asarray(library.shape)[posterior.node].astype(np.int8),
        baseline=baseline_ahead(series, calendars, period, rng),
        kept=noise[..., 0],
        share=noise[..., 1],
        variance=np.column_stack([item.variance for item in series]) * np.square(scale),
        odd=_side_by_side([item.odd for item in series]),
        alike=posterior.alike,
    )


def _side_by_side(odd: Sequence[FloatArray]) -> FloatArray:
    """Return how odd the past periods of all series were, (n_past, n_units).

    A series that began later takes its own periods over again for those before.
    """
    longest = max(own.size for own in odd)
    return np.column_stack([np.resize(own[::-1], longest)[::-1] for own in odd])
