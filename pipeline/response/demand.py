"""Demand that all lines share, separated from what their own spend does.

Spend follows demand, so a line's good days and its expensive days coincide for reasons that are
not spend. Each day has a portfolio effect and an effect per channel; a line is freed of the
effect that the *other* lines show, so that its own signal is never mistaken for demand. Days are
multiplicative: `demand = exp(season + shock)`. Mathematics: docs/model.md, "Demand".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import BoolArray, FloatArray, IntArray

SMOOTH_DAYS = 21.0  # a season is what lasts about three weeks or longer
SHOCK_FLOOR = 0.05  # nobody knows a day's demand better than to 5 %
CHANNEL_FLOOR = 0.02
SETTLED = 0.05  # a day whose completeness is known to 5 % teaches the season half as much


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Day effects, 1 on an ordinary day.

    Attributes:
        factor: (n_days, n_lines), from the other lines, for freeing a line of demand.
        variance: (n_days, n_lines), of log `factor`.
        shared: (n_days,), the portfolio's effect from all lines.
        tomorrow: (n_lines,), expected for the day after the last.
    """

    factor: FloatArray
    variance: FloatArray
    shared: FloatArray
    tomorrow: FloatArray


def estimate_demand(
    outcome: FloatArray,
    expected: FloatArray,
    relative_variance: FloatArray,
    groups: IntArray,
    weekdays: IntArray,
    late_variance: FloatArray,
) -> Demand:
    """Return the day effects given what each line would have earned on an ordinary day.

    Args:
        outcome: (n_days, n_lines), as seen.
        expected: (n_days, n_lines), > 0, without demand.
        relative_variance: (n_days, n_lines), of outcome / expected; inf leaves a cell out.
        groups: (n_lines,), 0-based channel of each line.
        weekdays: (n_days + 1,), the last for tomorrow.
        late_variance: (n_days,), of log completeness, all lines alike: days whose outcomes are
            still coming in by an unknown amount hardly teach the season.
    """
    settled = SETTLED**2 / (SETTLED**2 + late_variance)
    complete = settled > np.minimum(0.5, np.median(settled) - 1e-9)
    precision = np.where(np.isfinite(relative_variance), 1.0 / relative_variance, 0.0)
    member = np.eye(int(groups.max()) + 1)[groups]  # (n_lines, n_groups)
    own_y = precision * np.where(precision > 0, outcome, 0.0)
    own_mu = precision * expected
    group_y, group_mu, group_p = own_y @ member, own_mu @ member, precision @ member
    logs = _safe_log(group_y, group_mu, group_p)
    group_var = 1.0 / np.maximum(group_p, 1e-9)

    shared_raw, _ = _combine(logs, group_var)
    season, tomorrow_shared = _season(shared_raw, weekdays, settled)
    shock_var = _spread(shared_raw - season, 1.0 / group_p.sum(axis=1).clip(1e-9), complete)
    shock_var = max(shock_var, SHOCK_FLOOR**2)
    deviation = logs - shared_raw[:, None]
    channel_season = np.zeros_like(logs)
    tomorrow_channel = np.zeros(logs.shape[1])
    channel_var = CHANNEL_FLOOR**2
    if logs.shape[1] > 1:
        for g in range(logs.shape[1]):
            fitted, ahead = _season(deviation[:, g], weekdays, settled)
            trust = _signal_share(deviation[:, g], group_var[:, g], fitted, complete)
            channel_season[:, g], tomorrow_channel[g] = trust * fitted, trust * ahead
        channel_var = max(
            _spread(deviation - channel_season, group_var, complete), CHANNEL_FLOOR**2
        )

    # Leave each line out of its own channel; the other channels speak for the portfolio only.
    rest_y, rest_mu = group_y[:, groups] - own_y, group_mu[:, groups] - own_mu
    rest_p = np.maximum(group_p[:, groups] - precision, 0.0)
    rest_log = _safe_log(rest_y, rest_mu, rest_p)
    weight = 1.0 / (channel_var + group_var)  # (n_days, n_groups)
    weighted = weight * (logs - channel_season)
    others = np.maximum(weight.sum(axis=1, keepdims=True) - weight, 0.0)[:, groups]
    others_sum = (weighted.sum(axis=1, keepdims=True) - weighted)[:, groups]
    loose = 1.0 / (shock_var + late_variance)[:, None]
    shared_precision = loose + others
    shared_mean = (season[:, None] * loose + others_sum) / shared_precision
    prior_mean = shared_mean + channel_season[:, groups]
    lasting, lasting_var = _lasting(
        rest_log - prior_mean,
        1.0 / np.maximum(rest_p, 1e-9) + 1.0 / shared_precision,
        channel_var,
        _autocorrelation(deviation - channel_season, group_var, channel_var, complete),
    )
    prior_mean = prior_mean + lasting
    prior_precision = 1.0 / (1.0 / shared_precision + lasting_var)
    total = prior_precision + rest_p
    mean = (prior_precision * prior_mean + rest_p * rest_log) / total
    return Demand(
        factor=np.exp(mean),
        variance=1.0 / total,
        shared=np.exp(shared_raw),
        tomorrow=np.exp(tomorrow_shared + tomorrow_channel)[groups],
    )


def _autocorrelation(
    rest: FloatArray, noise: FloatArray, variance: float, complete: BoolArray
) -> float:
    """Return how much of a channel's own effect is still there the day after."""
    both = complete[1:] & complete[:-1]
    if rest.shape[1] < 2 or not both.any():
        return 0.0
    clipped = np.clip(rest, -1.0, 1.0)
    weight = (1.0 / (noise[1:] + noise[:-1] + variance))[both]
    products = (clipped[1:] * clipped[:-1])[both]
    kept = float((weight * products).sum() / weight.sum()) / variance
    return float(np.clip(kept, 0.0, 0.95))


def _lasting(
    seen: FloatArray, noise: FloatArray, variance: float, kept: float
) -> tuple[FloatArray, FloatArray]:
    """Return what the days before and after say about an effect that lasts, and its variance.

    Two filters for an autoregressive effect of stationary `variance`, forwards and backwards;
    the day itself is left out. Source: Fraser and Potter (1969), "Optimum linear smoother as a
    combination of two optimum linear filters".
    """
    ahead, ahead_var = _predicted(seen, noise, variance, kept)
    back, back_var = _predicted(seen[::-1], noise[::-1], variance, kept)
    back, back_var = back[::-1], back_var[::-1]
    precision = 1.0 / ahead_var + 1.0 / back_var - 1.0 / variance
    return (ahead / ahead_var + back / back_var) / precision, 1.0 / precision


def _predicted(
    seen: FloatArray, noise: FloatArray, variance: float, kept: float
) -> tuple[FloatArray, FloatArray]:
    """Return each day's effect as the earlier days predict it, and its variance."""
    means, variances = np.empty_like(seen), np.empty_like(seen)
    mean, spread = np.zeros(seen.shape[1]), np.full(seen.shape[1], variance)
    for day in range(seen.shape[0]):
        means[day], variances[day] = mean, spread
        gain = spread / (spread + noise[day])
        mean = kept * (mean + gain * (seen[day] - mean))
        spread = kept**2 * spread * (1 - gain) + (1 - kept**2) * variance
    return means, variances


def shared_slope(
    outcome: FloatArray,
    expected: FloatArray,
    movement: FloatArray,
    relative_variance: FloatArray,
) -> tuple[float, float]:
    """Return how much steeper all lines are than `expected` says, and its standard error.

    Where spend follows demand, a slope that every line shares and demand itself look alike;
    alternating between the two creeps along that ridge. Line and day effects together remove
    demand at once, so that only movements against the day's common one count.

    Args:
        outcome, expected, relative_variance: as in `estimate_demand`.
        movement: (n_days, n_lines), log of carried spend over its reference.

    Source: two-way within estimator, Wooldridge (2021), "Two-way fixed effects".
    """
    use = np.isfinite(relative_variance)
    weight = np.where(use, 1.0 / np.where(use, relative_variance, 1.0), 0.0)
    ratio = np.where(use, outcome / expected, 1.0)
    ratio = ratio / np.maximum((weight * ratio).sum(axis=0) / weight.sum(axis=0).clip(1e-9), 1e-9)
    day = (weight * ratio).sum(axis=1, keepdims=True) / weight.sum(axis=1, keepdims=True).clip(1e-9)
    far = 5.0 * np.sqrt(np.where(use, relative_variance, 1.0))
    relative = np.clip(ratio / np.maximum(day, 1e-3) - 1.0, -far, far)
    x, y = _two_way(movement, weight), _two_way(relative, weight)
    information = float((weight * x * x).sum())
    slope = float((weight * x * y).sum()) / max(information, 1e-9)
    rest = y - slope * x
    score = (weight * x * rest).sum(axis=0)  # clustered by line: residuals persist
    error = float(np.sqrt((score**2).sum())) / max(information, 1e-9)
    return slope, max(error, 1.0 / np.sqrt(max(information, 1e-9)))


def _two_way(table: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the table with weighted line and day means swept out."""
    for _ in range(8):
        table = table - (weight * table).sum(axis=0) / weight.sum(axis=0).clip(1e-9)
        table = table - (weight * table).sum(axis=1, keepdims=True) / weight.sum(
            axis=1, keepdims=True
        ).clip(1e-9)
    return table


def _safe_log(y: FloatArray, mu: FloatArray, precision: FloatArray) -> FloatArray:
    """Return log(y / mu), pulled to 0 where the data are worth less than a few conversions."""
    scale = np.where(precision > 0, mu / np.maximum(precision, 1e-12), 1.0)
    prior = scale * 0.5  # half an observation of an ordinary day
    return np.asarray(np.log((np.maximum(y, 0.0) + prior) / (mu + prior)))


def _combine(logs: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the channels' common effect per day, each channel weighed at most like a 5 % one."""
    weight = 1.0 / (variance + SHOCK_FLOOR**2)
    total = weight.sum(axis=1)
    return (weight * logs).sum(axis=1) / total, 1.0 / total


def _season(
    effect: FloatArray, weekdays: IntArray, settled: FloatArray
) -> tuple[FloatArray, float]:
    """Return weekday pattern plus slow trend of an effect, and its value tomorrow."""
    days = np.arange(effect.size)
    kernel = np.exp(-0.5 * np.square((days[:, None] - days) / SMOOTH_DAYS)) * settled
    trend = kernel @ effect / kernel.sum(axis=1).clip(1e-9)
    pattern = np.zeros(7)
    rest = effect - trend
    for weekday in range(7):
        of_day = settled * (weekdays[:-1] == weekday)
        pattern[weekday] = (of_day * rest).sum() / (of_day.sum() + 1.0)
    pattern -= pattern.mean()
    return trend + pattern[weekdays[:-1]], float(trend[-1] + pattern[weekdays[-1]])


def _spread(rest: FloatArray, noise: FloatArray, complete: BoolArray) -> float:
    """Return the variance of an effect beyond the noise of its estimate (robust moments)."""
    squares = np.square(rest[complete])
    scale = np.median(squares) / 0.455  # median of chi-square with one degree of freedom
    return float(max(scale - np.median(noise[complete]), 0.0))


def _signal_share(
    raw: FloatArray, noise: FloatArray, fitted: FloatArray, complete: BoolArray
) -> float:
    """Return the share of a fitted pattern that is signal rather than fitted noise."""
    variance = float(np.var(fitted[complete]))
    expected_noise = float(np.median(noise[complete])) / 6.0  # about T/6 parameters are fitted
    return variance / (variance + expected_noise + 1e-12)
