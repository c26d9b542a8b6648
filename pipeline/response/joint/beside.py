"""What comes beside spend: a series' level, calendar and controls, what wanders, and chance.

Given a draw of the curves, the coefficients of the regressors and the wandering part are normal;
both are known in closed form from the moments. A day counts half, what is known beforehand counts
whole. Mathematics: docs/model.md, "Measured outcomes".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, solve_triangular

from pipeline.core.types import BoolArray, FloatArray, IntArray, Line
from pipeline.response.joint.design import Design
from pipeline.response.joint.gibbs import POWER
from pipeline.response.joint.moments import NOISES, Moments, State
from pipeline.response.joint.residuals import Seen

RECENT_DAYS = 7
"""Over so many days is averaged what a control has been of late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What one series does beside what its lines' spend causes, draw by draw, in its own units.

    Attributes:
        unit: the series' name.
        scale: outcome a day that is 1 here.
        design: its regressors in the past.
        known: (n_periods,), periods that taught.
        odd: (n_periods,), variance of a period relative to usual.
        kind: (n_draws,), which of `NOISES`.
        variance: (n_draws,), of a usual period's noise.
        gamma: (n_draws, n_regressors), mean of the coefficients: of the design's columns, then of
            those that the past is too short to tell.
        wandering: (n_draws,), of the wandering part at the last period, were `gamma` 0.
        root: (n_noises, n_regressors, n_regressors), lower, of the coefficients' precision in
            units of the noise's.
        state: wandering part of each regressor at the last period, and its variance, relative to
            the noise's, given the coefficients.
    """

    unit: Line
    scale: float
    design: Design
    known: BoolArray
    odd: FloatArray
    kind: IntArray
    variance: FloatArray
    gamma: FloatArray
    wandering: FloatArray
    root: FloatArray
    state: State

    def draw(self, unlike: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Return coefficients, (n_draws, n_regressors + n_coming), and the wandering, (n_draws,).

        Args:
            unlike: as `unlike_past`.
            rng: the only source of chance.
        """
        gamma, wandering = self.gamma.copy(), self.wandering.copy()
        deviation = np.sqrt(self.variance)
        chance = rng.standard_normal((self.kind.size, 1 + gamma.shape[1]))
        for kind in np.unique(self.kind):
            rows = self.kind == kind
            doubt = solve_triangular(self.root[kind], chance[rows, 1:].T, trans="T", lower=True).T
            gamma[rows] += deviation[rows, None] * doubt
            wandering[rows] -= gamma[rows] @ self.state.mean[kind]
            spread = np.sqrt(self.state.variance[kind])
            wandering[rows] += spread * deviation[rows] * chance[rows, 0]
        return np.hstack([gamma, self.design.unlike_sd * unlike]), wandering


def beside_of(
    seen: Seen,
    scale: float,
    moments: Moments,
    draws: tuple[FloatArray, IntArray, FloatArray, IntArray],
) -> Beside:
    """Return what is known of one series beside its curves.

    Args:
        seen, scale: of the series.
        moments: of its periods.
        draws: of its lines' coefficients, (n_draws, n_lines), and response columns, alike; of the
            noise's variance and kind, (n_draws,) each.
    """
    coefficient, column, variance, kind = draws
    sd = np.append(seen.design.sd, seen.design.untold_sd)
    prior = np.diag(seen.usual / np.square(sd))
    told = moments.root @ np.swapaxes(moments.root, 1, 2) - prior
    root = np.asarray(np.linalg.cholesky(POWER * told + prior), dtype=float)
    gamma, wandering = np.empty((kind.size, sd.size)), np.empty(kind.size)
    for noise in np.unique(kind):
        rows = kind == noise
        value, at = coefficient[rows], 1 + column[rows]
        explained, mean = moments.explained[noise], moments.state.mean[noise]
        left = explained[:, 0] - np.einsum("dl,kdl->dk", value, explained[:, at])
        pull = POWER * moments.root[noise] @ left.T
        gamma[rows] = cho_solve((root[noise], True), pull).T
        wandering[rows] = mean[0] - (value * mean[sd.size + at]).sum(axis=1)
    return Beside(
        unit=seen.name,
        scale=scale,
        design=seen.design,
        known=seen.known,
        odd=seen.odd,
        kind=kind,
        variance=variance,
        gamma=gamma,
        wandering=wandering,
        root=root,
        state=State(
            mean=moments.state.mean[:, 1 : 1 + sd.size],
            variance=_counting_half(moments.state.variance),
        ),
    )


def unlike_past(series: Sequence[Beside], rng: np.random.Generator) -> FloatArray:
    """Return how unlike the past coming named days are, (n_draws, n_coming), standard normal.

    A sale that goes better than last year's does so in every series.
    """
    return rng.standard_normal((series[0].kind.size, series[0].design.unlike_sd.size))


def _counting_half(variance: FloatArray) -> FloatArray:
    """Return the wandering part's variance where days tell half of what they do, (n_noises,).

    What they tell is how much the precision rises above that of a part of which nothing is known.
    """
    share = np.asarray(NOISES)[:, 1]
    return np.asarray(variance * share / ((1 - POWER) * variance + POWER * share + 1e-300))


def baseline_ahead(
    series: Sequence[Beside],
    calendars: Sequence[FloatArray],
    period_days: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Return what comes beside spend in the coming periods but for their chance, a day.

    Args:
        series: of one fit; some may have begun later than others.
        calendars: what the calendar says of those periods to each series, as `calendar_ahead`.
        period_days: days per period.
        rng: the only source of chance.

    Returns:
        (n_draws, n_periods, n_series), in outcome a day.
    """
    n_ahead, n_draws = calendars[0].shape[0], series[0].kind.size
    gap = min(int(np.argmax(item.known[::-1])) for item in series)
    reach, longest = gap + n_ahead, max(item.known.size for item in series)
    common = _alike(longest - 1 - gap, reach, period_days, n_draws, rng)
    out, unlike = np.empty((n_draws, n_ahead, len(series))), unlike_past(series, rng)
    for index, (item, calendar) in enumerate(zip(series, calendars, strict=True)):
        gamma, wandering = item.draw(unlike, rng)
        late, n_calendar = longest - item.known.size, item.design.n_calendar
        last, begin = longest - 1 - gap - late, common - late
        too_early = begin < _window(period_days) - 1
        if too_early.any():
            begin = np.where(too_early, _alike(last, reach, period_days, n_draws, rng), begin)
        seen = _seen_ahead(item.design.columns[:, n_calendar:], last, begin, period_days, n_ahead)
        kept = np.asarray(NOISES)[item.kind, :1] ** np.arange(1, 1 + n_ahead)
        dated = np.delete(gamma, np.s_[n_calendar : item.design.sd.size], axis=1)
        path = dated @ calendar.T + wandering[:, None] * kept
        undated = gamma[:, n_calendar : item.design.sd.size]
        out[:, :, index] = path + np.einsum("dk,dpk->dp", undated, seen)
    return out * [item.scale for item in series]


def _alike(
    last: int, reach: int, period_days: int, n_draws: int, rng: np.random.Generator
) -> IntArray:
    """Return the past period that each draw takes the present for, (n_draws,); of its weekday.

    Every series takes the same one, so that what they share of it stays shared, unless it began
    later. Where the past is too short it is the present itself, which `_seen_ahead` takes to go on.
    """
    step = 7 if period_days == 1 else 1
    first = _window(period_days) - 1
    past = np.arange(last - step * -(-reach // step), first - 1, -step)
    return rng.choice(past, n_draws) if past.size else np.full(n_draws, last)


def _seen_ahead(
    columns: FloatArray, last: int, begin: IntArray, period_days: int, n_ahead: int
) -> FloatArray:
    """Return paths of what is known only once it is seen, (n_draws, n_ahead, n_columns).

    Nobody knows what controls will be. They go on as after the past period that a draw takes the
    present for, moved by as much of the difference between now and then as such differences have
    lasted: all of it where a control drifts, nothing where it comes and goes.

    Args:
        columns: (n_periods, n_columns), up to `last` as they were seen.
        begin: (n_draws,), the past period.
    """
    gap, window = columns.shape[0] - 1 - last, min(_window(period_days), last + 1)
    head = np.zeros((1, columns.shape[1]))
    summed = np.cumsum(np.concatenate([head, columns[: last + 1]]), axis=0)
    recent = np.full(columns.shape, np.nan)
    recent[window - 1 : last + 1] = (summed[window:] - summed[:-window]) / window
    out = np.empty((begin.size, n_ahead, columns.shape[1]))
    for ahead in range(n_ahead):
        reach = gap + 1 + ahead
        lasts = _lasting(recent[window - 1 : max(last + 1 - reach, 0)], columns, window - 1 + reach)
        inside = np.minimum(begin + reach, last)
        out[:, ahead] = columns[inside] + lasts * (recent[last] - recent[begin])
    return out


def _lasting(recent: FloatArray, columns: FloatArray, first: int) -> FloatArray:
    """Return the share of a recent deviation that is left later, 0-1, (n_columns,)."""
    if len(recent) < 2:
        return np.ones(columns.shape[1])
    later = columns[first : first + len(recent)]
    was, came = recent - recent.mean(axis=0), later - later.mean(axis=0)
    size = np.square(was).sum(axis=0)
    share = np.divide((was * came).sum(axis=0), size, out=np.zeros(size.size), where=size > 1e-12)
    return np.asarray(np.clip(share, 0.0, 1.0))


def _window(period_days: int) -> int:
    return max(RECENT_DAYS // period_days, 1)
