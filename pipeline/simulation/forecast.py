"""What a posterior expects of the days ahead if a given amount is spent on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from pipeline.core.history import History
from pipeline.core.types import FloatArray, IntArray
from pipeline.response import Posterior
from pipeline.response.curves import RETENTIONS, SHAPES
from pipeline.response.evidence import DRIFTS, SHARES

WEEKDAY_WEEKS = 10
NOISE_WEEKS, LEAST_NOISE_WEEKS = 12, 4
UNKNOWN_NOISE = 0.3  # relative, of a week, where the past is too short to tell
POOLED_WEEKS = 6.0  # how many weeks of its own a line needs to outweigh the portfolio's noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Predictive draws of every line's outcome over the days ahead.

    Attributes:
        total: (n_draws, n_lines), as will be reported once complete, noise included.
        unchanged: (n_lines,), expected if every line went on spending what it did last week.
        expected: (n_lines,), expected under the spend that was given.
    """

    total: FloatArray
    unchanged: FloatArray
    expected: FloatArray


def forecast(
    posterior: Posterior,
    past: History,
    spend: FloatArray,
    days: Sequence[date],
    *,
    rng: np.random.Generator,
    n_draws: int = 1000,
) -> Forecast:
    """Return the forecast for the days right after `past`.

    Args:
        posterior: fitted on `past` alone.
        past: what was known.
        spend: (n_days, n_lines), of the days ahead.
        days: that they are, the first one day after the last of `past`.
        rng: the only source of chance.
        n_draws: how many futures.
    """
    usual = np.broadcast_to(past.spend[-7:].mean(axis=0), spend.shape)
    demand = posterior.demand * _weekday_factors(past, posterior.metric, days)[:, None]
    given, unchanged = (_responses(posterior, plan, demand) for plan in (spend, usual))
    days_of_demand = demand.sum(axis=0)
    total = np.empty((n_draws, spend.shape[1]))
    expected, expected_unchanged = np.empty(spend.shape[1]), np.empty(spend.shape[1])
    for line in range(spend.shape[1]):
        weights = posterior.weights[line]
        node = _draw_nodes(weights.reshape(-1), n_draws, rng)
        drift, retention, shape, share = np.unravel_index(node, weights.shape)
        level = _levels(posterior, line, node, rng)
        level *= np.exp(_walk_sd(drift, len(days)) * rng.standard_normal(n_draws))
        organic = (1 - SHARES[share]) * days_of_demand[line]
        total[:, line] = level * (organic + SHARES[share] * given[retention, shape, line])
        expected[line] = total[:, line].mean()
        without = level * (organic + SHARES[share] * unchanged[retention, shape, line])
        expected_unchanged[line] = without.mean()
    shared_sd, line_sd = _week_noise(past, posterior.metric)
    shared_sd = max(shared_sd, posterior.shared_sd)
    shared = np.exp(shared_sd * rng.standard_normal((n_draws, 1)) - 0.5 * shared_sd**2)
    noise = line_sd * rng.standard_normal(total.shape)
    return Forecast(
        total=np.maximum(total * shared * np.exp(noise - 0.5 * line_sd**2), 0.0),
        unchanged=expected_unchanged,
        expected=expected,
    )


def _responses(posterior: Posterior, spend: FloatArray, demand: FloatArray) -> FloatArray:
    """Return every library response, summed over the days ahead in units of demand.

    Returns:
        (n_retentions, n_shapes, n_lines)
    """
    out = np.zeros((len(RETENTIONS), len(SHAPES), spend.shape[1]))
    for i, retention in enumerate(RETENTIONS):
        state = posterior.carried[i].copy()
        for day in range(spend.shape[0]):
            state = retention * state + (1 - retention) * spend[day]
            for j, shape in enumerate(SHAPES):
                out[i, j] += demand[day] * shape.value(state / posterior.reference)
    return out


def _levels(
    posterior: Posterior, line: int, node: IntArray, rng: np.random.Generator
) -> FloatArray:
    """Return draws of today's level in the north-star metric, (n_draws,)."""
    mean = posterior.level_mean[line].reshape(-1)[node]
    sd = posterior.level_sd[line].reshape(-1)[node]
    level = np.maximum(mean + sd * rng.standard_normal(node.size), 0.05 * mean)
    worth = posterior.worth[line] + posterior.worth_sd[line] * rng.standard_normal(node.size)
    return np.asarray(level * np.maximum(worth, 0.0))


def _walk_sd(drift: IntArray, n_days: int) -> FloatArray:
    """Return how far a level may have walked by the middle of the window, log points.

    Shocks that come back are not walked; a week's noise has them already.
    """
    kept, innovation = np.asarray(DRIFTS)[drift].T
    return np.asarray(np.where(kept == 1.0, innovation * np.sqrt(n_days / 2), 0.0))


def _draw_nodes(weights: FloatArray, n_draws: int, rng: np.random.Generator) -> IntArray:
    cumulative = np.cumsum(weights)
    points = (np.arange(n_draws) + rng.random(n_draws)) / n_draws * cumulative[-1]
    nodes = np.searchsorted(cumulative, points).clip(max=cumulative.size - 1)
    return np.asarray(rng.permutation(nodes), dtype=np.int64)


def _weekday_factors(past: History, metric: str, days: Sequence[date]) -> FloatArray:
    """Return each day's usual outcome over that of the first day ahead, (n_days,)."""
    total = np.nan_to_num(past.outcomes[metric]).sum(axis=1)[-7 * WEEKDAY_WEEKS :]
    weekday = np.array([day.weekday() for day in past.days[-7 * WEEKDAY_WEEKS :]])
    overall = max(float(np.median(total)), 1e-9)
    usual = np.array(
        [(np.sum(total[weekday == w]) + overall) / (np.sum(weekday == w) + 1) for w in range(7)]
    )
    ahead = np.maximum(usual, 0.05 * overall)[[day.weekday() for day in days]]
    return np.asarray(ahead / ahead[0])


def _week_noise(past: History, metric: str) -> tuple[float, FloatArray]:
    """Return the relative noise of a week: of the whole portfolio, and of each line beside it.

    Second differences of weekly logs: they remove level and trend, and keep what no model could
    have known. Lines are taken against the portfolio, so that common demand is counted once.
    """
    weeks = min(len(past.days) // 7, NOISE_WEEKS)
    outcome = np.nan_to_num(past.outcomes[metric])[len(past.days) - 7 * weeks :]
    total = outcome.reshape(weeks, 7, -1).sum(axis=1)
    if weeks < LEAST_NOISE_WEEKS:
        return UNKNOWN_NOISE, np.full(total.shape[1], UNKNOWN_NOISE)
    small = 0.02 * total.mean(axis=0) + 1e-9
    whole = np.log(total.sum(axis=1, keepdims=True) + small.sum())
    own = _bend_variance(np.log(total + small) - whole)
    pooled = float(np.median(own))
    variance = ((weeks - 2) * own + POOLED_WEEKS * pooled) / (weeks - 2 + POOLED_WEEKS)
    return float(np.sqrt(_bend_variance(whole)[0])), np.asarray(np.sqrt(variance))


def _bend_variance(logs: FloatArray) -> FloatArray:
    """Return the variance of independent noise around a straight course, (n_columns,)."""
    bend = logs[1:-1] - 0.5 * (logs[:-2] + logs[2:])
    return np.asarray(np.square(bend).mean(axis=0) / 1.5)
