"""What will be reported on the days ahead: the posterior with the noise of days put back.

Curves say what spend earns; a forecast that can be held against reality also needs the organic
level, demand, and how far days scatter for reasons nobody models. That scatter is read off the
past: second differences a week apart remove level, trend and weekday and keep the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from pipeline.core.forecast import HORIZONS, LEVELS, Forecast
from pipeline.core.history import History
from pipeline.core.types import FloatArray, Line, RealArray, SmallArray
from pipeline.response.curves import RETENTIONS, SHAPES
from pipeline.response.grid import DRIFTS
from pipeline.response.population import stratified
from pipeline.response.posterior import Posterior
from pipeline.response.usual_days import at_todays_level, day_noise, weekday_factors

LEAST_VARIANCE = 1e-6  # relative, of a day: no outcome repeats to a thousandth
STEP = 0.05  # relative, for slopes
FORECAST_LINES = 2000  # at a time: paths of days are large


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictive:
    """Joint draws of the future, ready to be asked about any spend.

    Attributes:
        metric: what is counted.
        day: the first of the days ahead.
        lines: (n_lines,)
        reference: (n_lines,), spend at which every shape is 1.
        carried: (n_retentions, n_lines), adstock the day before.
        level, share: (n_draws, n_lines), outcome at the reference spend and the part that spend
            causes.
        retention, shape: (n_draws, n_lines), indices into the library.
        walk_sd: (n_draws, n_lines), of the level's log per day.
        demand: (n_days, n_lines), factor of each day ahead.
        shared_sd: (n_days,), of log demand on each day ahead that nobody knows.
        lasting_sd: of what nobody knows and all days ahead share.
        line_variance: (n_lines,), relative variance of a day beside what all lines share.
    """

    metric: str
    day: date
    lines: tuple[Line, ...]
    reference: FloatArray
    carried: FloatArray
    level: RealArray
    share: RealArray
    retention: SmallArray
    shape: SmallArray
    walk_sd: RealArray
    demand: FloatArray
    shared_sd: FloatArray
    lasting_sd: float
    line_variance: FloatArray

    def expected(self, spend: FloatArray) -> FloatArray:
        """Return the outcome of each draw and day without the noise of days.

        Args:
            spend: (n_days, n_lines), of the first days ahead, at most as many as `demand` has.

        Returns:
            (n_draws, n_days, n_lines)
        """
        out = np.empty((self.level.shape[0], *spend.shape))
        state = self.carried.copy()
        keep = np.asarray(RETENTIONS)[:, None]
        column = np.arange(len(self.lines))
        for day in range(spend.shape[0]):
            state = keep * state + (1 - keep) * spend[day]
            relative = state / self.reference
            table = np.stack([shape.value(relative) for shape in SHAPES], axis=1)
            effect = table[self.retention, self.shape, column]
            out[:, day] = self.level * self.demand[day] * (1 - self.share + self.share * effect)
        return out

    def of_lines(self, lines: slice) -> Predictive:
        """Return the draws of some lines."""
        tables = ("carried", "level", "share", "retention", "shape", "walk_sd", "demand")
        return replace(
            self,
            lines=self.lines[lines],
            reference=self.reference[lines],
            line_variance=self.line_variance[lines],
            **{name: getattr(self, name)[:, lines] for name in tables},
        )

    def outcomes(
        self,
        spend: FloatArray,
        rng: np.random.Generator,
        alike: tuple[FloatArray, FloatArray] | None = None,
    ) -> FloatArray:
        """Return draws of what will be reported once complete, (n_draws, n_days, n_lines).

        Args:
            spend: as in `expected`.
            rng: the only source of chance.
            alike: standard normal numbers of each day and of all of them, (n_draws, n_days, 1) and
                (n_draws, 1, 1), that other lines have too.
        """
        mean = self.expected(spend)
        n_draws, n_days, n_lines = mean.shape
        steps = self.walk_sd[:, None, :] * rng.standard_normal((n_draws, n_days, n_lines))
        of_day = self.shared_sd[:n_days, None]
        of_days, of_all = alike or _alike(n_draws, n_days, rng)
        shared, lasting = of_day * of_days, self.lasting_sd * of_all
        logs = np.cumsum(steps, axis=1) + shared + lasting
        spread = 0.5 * (np.square(of_day) + self.lasting_sd**2)
        mean = mean * np.exp(logs - spread)
        # Noise in whole units of variance over mean: near normal for large lines, and for small
        # ones days without anything, as they are.
        usual = mean.mean(axis=(0, 1))
        unit = np.maximum(self.line_variance, LEAST_VARIANCE) * np.where(usual > 0, usual, 1.0)
        return np.asarray(unit * rng.poisson(mean / unit))

    def forecast(
        self,
        budgets: FloatArray,
        current: FloatArray,
        rng: np.random.Generator,
        horizons: Sequence[int] = HORIZONS,
    ) -> Forecast:
        """Return what the plan promises over each horizon, budgets spent day after day.

        Args:
            budgets, current: (n_lines,), of the plan and in force before it.
        """
        n_days, n_lines = max(horizons), len(self.lines)
        step = STEP * np.maximum(budgets, 0.05 * self.reference)
        size = (len(self.level), len(horizons))
        above, centre, before, drawn = (_Sums.empty(*size, n_lines) for _ in range(4))
        # Where draws of all lines at once would not fit, what they share is drawn beforehand.
        alike = None if n_lines <= FORECAST_LINES else _alike(size[0], n_days, rng)
        quantiles = np.empty((len(LEVELS), len(horizons), n_lines + 1))
        for first in range(0, n_lines, FORECAST_LINES):
            block = slice(first, min(first + FORECAST_LINES, n_lines))
            some, spend = self.of_lines(block), _steady(budgets[block], n_days)
            above.add(block, some.expected(_steady((budgets + step)[block], n_days)), horizons)
            centre.add(block, some.expected(spend), horizons)
            before.add(block, some.expected(_steady(current[block], n_days)), horizons)
            lines = drawn.add(block, some.outcomes(spend, rng, alike), horizons)
            quantiles[:, :, block] = np.quantile(lines, LEVELS, axis=0)
        quantiles[:, :, -1] = np.quantile(drawn.total, LEVELS, axis=0)
        mean = centre.mean()
        return Forecast(
            metric=self.metric,
            day=self.day,
            lines=self.lines,
            horizons=tuple(horizons),
            spend=np.append(budgets, budgets.sum()),
            status_quo_spend=np.append(current, current.sum()),
            mean=mean,
            status_quo=before.mean(),
            slope=(above.mean() - mean) / np.append(step, step.sum()),
            quantiles=np.moveaxis(quantiles, 0, -1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """Outcomes over horizons: the mean of each line, and every draw of all lines together.

    Attributes:
        line: (n_horizons, n_lines)
        total: (n_draws, n_horizons)
    """

    line: FloatArray
    total: FloatArray

    @staticmethod
    def empty(n_draws: int, n_horizons: int, n_lines: int) -> _Sums:
        return _Sums(line=np.empty((n_horizons, n_lines)), total=np.zeros((n_draws, n_horizons)))

    def add(self, block: slice, paths: FloatArray, horizons: Sequence[int]) -> FloatArray:
        """Take the paths of some lines, and return their sums, (n_draws, n_horizons, n)."""
        lines = np.stack([paths[:, :h].sum(axis=1) for h in horizons], axis=1)
        self.line[:, block] = lines.mean(axis=0)
        self.total[:] += lines.sum(axis=2)
        return lines

    def mean(self) -> FloatArray:
        """Return the mean of each line and of all, (n_horizons, n_lines + 1)."""
        return np.concatenate([self.line, self.total.mean(axis=0)[:, None]], axis=1)


def _steady(spend: FloatArray, n_days: int) -> FloatArray:
    return np.broadcast_to(spend, (n_days, spend.size))


def _alike(n_draws: int, n_days: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return what lines share of the days ahead: of each day, and of all of them."""
    return rng.standard_normal((n_draws, n_days, 1)), rng.standard_normal((n_draws, 1, 1))


def predictive(
    posterior: Posterior,
    past: History,
    rng: np.random.Generator,
    *,
    n_draws: int = 300,
    n_days: int = max(HORIZONS),
    common: np.random.Generator | None = None,
) -> Predictive:
    """Return draws of the days right after `past`.

    Args:
        posterior: fitted on `past`.
        past: what was known; the last day is yesterday.
        rng: the only source of chance.
        n_draws: how many futures.
        n_days: how far ahead they can be asked.
        common: of what these lines share with lines of other fits; by default `rng`.
    """
    first = past.days[-1] + timedelta(days=1)
    days = [first + timedelta(days=ahead) for ahead in range(n_days)]
    hypothesis = posterior.population.draw(common or rng, n_draws)
    n_lines = len(posterior.lines)
    level, share, walk = np.empty((3, n_draws, n_lines), dtype=np.float32)
    retention, shape = np.empty((2, n_draws, n_lines), dtype=np.int8)
    shown = list[FloatArray]()
    for line in range(n_lines):
        node = posterior.draw_nodes(line, hypothesis, rng)
        retention[:, line], shape[:, line], _ = node
        whole = posterior.draw_level(line, node, rng)
        caused = posterior.draw_caused(line, node, whole, rng)
        whole = np.maximum(whole, caused)
        level[:, line], share[:, line] = whole, caused / whole
        shown += posterior.shown(line, node, caused)
        drift = stratified(posterior.drift[line], rng, n_draws)
        walk[:, line] = np.asarray(DRIFTS)[drift][:, 0]
    posterior.taught.pair(shown, (level, share, retention, shape, walk), rng)
    level_now = at_todays_level(past, posterior.metric, posterior.health.jumps)
    shared_sd, lasting_sd, variance = day_noise(level_now, posterior.metric)
    factor = weekday_factors(level_now, posterior.metric, days)
    factor = factor * np.exp(posterior.ahead[:n_days] - posterior.ahead[0])
    return Predictive(
        metric=posterior.metric,
        day=first,
        lines=posterior.lines,
        reference=posterior.reference,
        carried=posterior.carried,
        level=level,
        share=share,
        retention=retention,
        shape=shape,
        walk_sd=walk,
        demand=posterior.demand * factor[:, None],
        shared_sd=np.hypot(shared_sd, posterior.ahead_sd[:n_days]),
        lasting_sd=lasting_sd,
        line_variance=variance,
    )
