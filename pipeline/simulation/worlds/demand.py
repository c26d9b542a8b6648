"""True demand: what would have moved outcomes had nobody changed a budget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pipeline.core.types import FloatArray, IntArray
from pipeline.simulation.worlds.recipes import Recipe

SHOCK_KEPT = 0.85
"""Share of a demand shock that is still there the day after."""

_FIXED_HOLIDAYS = {(1, 1): -0.3, (5, 1): -0.2, (10, 3): -0.15, (12, 25): -0.45, (12, 26): -0.3}
_BLACK_FRIDAY = 0.45  # log points on the day; the days around it get half


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandPath:
    """Log demand per day and line, split into what a calendar tells and what happens.

    Attributes:
        calendar: (n_days, n_lines), weekday, season, trend, holidays.
        shock: (n_days, n_lines), autocorrelated, shared by all, by the channel, and own.
        common: (n_days,), the part that all lines share: what spend follows where it follows.
    """

    calendar: FloatArray
    shock: FloatArray
    common: FloatArray

    def level(self) -> FloatArray:
        """Return the demand factor, (n_days, n_lines); about 1 on average."""
        return np.asarray(np.exp(self.calendar + self.shock))

    def expected(self, day: int) -> FloatArray:
        """Return what a perfect forecaster expects of `day` the evening before, (n_lines,)."""
        return np.asarray(np.exp(self.calendar[day] + SHOCK_KEPT * self.shock[day - 1]))


def draw_demand(
    recipe: Recipe, first_day: date, n_days: int, channel: IntArray, rng: np.random.Generator
) -> DemandPath:
    """Return a world's demand over its whole life.

    Args:
        recipe: how much of what.
        first_day: of the calendar.
        n_days: how many.
        channel: (n_lines,), index of each line's channel.
        rng: the only source of chance.
    """
    n_lines, n_channels = channel.size, int(channel.max()) + 1
    days = [first_day + timedelta(days=i) for i in range(n_days)]
    weekday_of = np.array([day.weekday() for day in days])
    weekday = rng.normal(0, recipe.weekday_sd, 7)
    own_weekday = rng.normal(0, 0.35 * recipe.weekday_sd, (n_channels, 7))
    year = 2 * np.pi * np.array([day.timetuple().tm_yday for day in days]) / 365.25
    season = recipe.season * np.sin(year + rng.uniform(0, 2 * np.pi))
    trend = rng.normal(0, recipe.trend_sd) * np.linspace(-1, 1, n_days)
    special = _holidays(days) * recipe.holidays
    promo_days = rng.choice(n_days, max(1, n_days // 60), replace=False)
    special[promo_days] += 0.25 * recipe.holidays
    calendar_common = weekday[weekday_of] - weekday.mean() + season + trend + special
    calendar = calendar_common[:, None] + own_weekday[:, weekday_of].T[:, channel]

    common_shock = _autocorrelated(recipe.common_sd, (n_days, 1), rng)
    channel_shock = _autocorrelated(recipe.channel_sd, (n_days, n_channels), rng)[:, channel]
    line_shock = _autocorrelated(recipe.line_sd, (n_days, n_lines), rng)
    return DemandPath(
        calendar=calendar,
        shock=common_shock + channel_shock + line_shock,
        common=calendar_common + common_shock[:, 0],
    )


def _autocorrelated(
    sd: float, shape: tuple[int, int], rng: np.random.Generator, kept: float = SHOCK_KEPT
) -> FloatArray:
    """Return AR(1) paths with the given stationary standard deviation, (n_days, n)."""
    noise = rng.standard_normal(shape) * sd
    out = np.empty(shape)
    out[0] = noise[0]
    for day in range(1, shape[0]):
        out[day] = kept * out[day - 1] + np.sqrt(1 - kept**2) * noise[day]
    return out


def _holidays(days: list[date]) -> FloatArray:
    out = np.array([_FIXED_HOLIDAYS.get((day.month, day.day), 0.0) for day in days])
    for i, day in enumerate(days):
        november = date(day.year, 11, 1)
        first_thursday = (3 - november.weekday()) % 7
        friday = november + timedelta(days=first_thursday + 22)  # the day after the 4th Thursday
        distance = abs((day - friday).days)
        if distance <= 3:
            out[i] += _BLACK_FRIDAY * (1.0 if distance == 0 else 0.5)
    return out
