"""The rate of every creative in every audience, as it will be tomorrow, with its uncertainty.

A logistic model whose cells are pooled: audience level + creative effect + the pair's own
deviation. Yesterday counts more than last month; each audience's day has a level common to its
creatives (weekday, season, rewards that are not in yet), so recent days are never read as bad; a
creative that has been shown a lot is worn, at a rate learned from all, and cells are compared as
if they were fresh. docs/rotation.md has the
mathematics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.core.exposures import Exposures
from pipeline.core.types import BoolArray, FloatArray

USUAL_SPREAD = 0.26  # sd of logit rates between creatives: 2,162 randomised public tests
SPREAD_WEIGHT = 12.0  # how many cells the usual spread counts for
AUDIENCE_SPREAD = 0.10  # sd of a creative's own deviation in one audience; our judgement
WEAR, WEAR_SD = -0.02, 0.05
"""Log rate per doubling of exposure before anything is seen. A stronger belief makes whatever is
shown most look worn from the first night on, and costs more where nothing wears than it saves."""
DAY_SPREAD = 0.20  # sd of a day's level; an incomplete day's is free
FRESH = 1_000.0  # impressions; the first thousand is no doubling of anything
WORTH_WEIGHT = 20.0  # conversions whose worth the audience's mean counts for
ROUNDS = 4  # levels, wear and effects are found in turn; further rounds change nothing shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What is known of every cell for tomorrow.

    Attributes:
        log_rate: (n_audiences, n_creatives) posterior mean of the log reward per impression.
        sd: as `log_rate`, its standard deviation.
        level: (n_audiences,) log reward per impression of a creative that nobody has seen yet.
        spread: sd of such creatives around it.
        wear, wear_sd: change of the log rate per doubling of exposure.
        evidence: (n_audiences, n_creatives) discounted impressions behind each cell.
        known_after: (n_audiences,) impressions after which a creative's own record outweighs what
            others say of it.
    """

    log_rate: FloatArray
    sd: FloatArray
    level: FloatArray
    spread: float
    wear: float
    wear_sd: float
    evidence: FloatArray
    known_after: FloatArray

    def of(self, creatives: Sequence[int]) -> Learned:
        """Return what is known of some creatives, by position."""
        return replace(
            self,
            log_rate=self.log_rate[:, creatives],
            sd=self.sd[:, creatives],
            evidence=self.evidence[:, creatives],
        )


def learn(exposures: Exposures, *, half_life_days: float, delay_days: int = 0) -> Learned:
    """Return the posterior of every cell's rate tomorrow.

    Args:
        half_life_days: an exposure of so many days ago counts half.
        delay_days: days whose rewards are still coming in.
    """
    n_days = len(exposures.days)
    age = np.arange(n_days - 1, -1, -1.0)
    weight = 0.5 ** (age / half_life_days)
    shown, counted = exposures.shown, np.minimum(exposures.counted, exposures.shown)
    worn = _doublings(shown)
    is_open = age < delay_days
    base = _base(shown, counted, weight * ~is_open)
    rate = np.broadcast_to(base[:, None], shown.shape[1:]).copy()
    wear, wear_sd = WEAR, WEAR_SD
    for _ in range(ROUNDS):
        day_level = _day_levels(shown, counted, rate * np.exp(wear * worn), weight, is_open)
        expected = shown * day_level[:, :, None] * rate
        wear, wear_sd = _wear(counted, expected, worn, weight)
        effective = np.einsum(
            "t,tac->ac", weight, shown * day_level[:, :, None] * np.exp(wear * worn)
        )
        clicks = np.minimum(np.einsum("t,tac->ac", weight, counted), effective)
        level = _levels(effective, clicks, base)
        spread = _spread(effective, clicks, level)
        mean, sd = _pooled(effective, clicks, level, spread)
        rate = _expit(mean)
    tomorrow = np.log2(1 + (shown.sum(axis=0) + shown[-7:].sum(axis=0) / 14) / FRESH)
    log_rate = np.log(rate) + wear * tomorrow
    log_sd = np.hypot(sd * (1 - rate), wear_sd * (tomorrow - _usual(worn, shown, weight)))
    log_level = np.log(_expit(level))
    if exposures.is_worth:
        worth, worth_sd, mean_worth = _worth(exposures, weight)
        log_rate, log_sd = log_rate + worth, np.hypot(log_sd, worth_sd)
        log_level = log_level + mean_worth
    return Learned(
        log_rate=log_rate,
        sd=log_sd,
        level=log_level,
        spread=spread,
        wear=wear,
        wear_sd=wear_sd,
        evidence=np.einsum("t,tac->ac", weight, shown),
        known_after=1 / (spread**2 * _expit(level) * (1 - _expit(level))),
    )


def _doublings(shown: FloatArray) -> FloatArray:
    """Return how often a creative's exposure had doubled by the middle of each day.

    Args:
        shown: (n_days, ...) impressions.
    """
    before = np.cumsum(shown, axis=0) - shown / 2
    out: FloatArray = np.log2(1 + before / FRESH)
    return out


def _usual(worn: FloatArray, shown: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the doublings at which each cell's record was made, on average."""
    n = np.einsum("t,tac->ac", weight, shown)
    out: FloatArray = np.einsum("t,tac->ac", weight, shown * worn) / np.maximum(n, 1e-300)
    return out


def _base(shown: FloatArray, counted: FloatArray, weight: FloatArray) -> FloatArray:
    """Return each audience's rate, shrunk to all audiences' where little was shown."""
    n = np.einsum("t,tac->a", weight, shown)
    k = np.einsum("t,tac->a", weight, counted)
    overall = (k.sum() + 0.5) / (n.sum() + 50.0)
    out: FloatArray = np.clip((k + 2 * overall) / (n + 2.0), 1e-7, 0.9)
    out[n == 0] = np.clip(overall, 1e-7, 0.9)
    return out


def _day_levels(
    shown: FloatArray,
    counted: FloatArray,
    rate: FloatArray,
    weight: FloatArray,
    is_open: BoolArray,
) -> FloatArray:
    """Return (n_days, n_audiences): a day's level against what its creatives usually earn.

    Levels are around 1 on average, or a level could pass for a rate. They are shrunk by how far
    days differ anyway; a day that is still open is taken as it is.
    """
    expected = (shown * rate).sum(axis=2)
    seen = counted.sum(axis=2)
    log_level = np.log((seen + 0.5) / (expected + 0.5))
    usual = weight[:, None] * expected * ~is_open[:, None]
    mean = (usual * log_level).sum(axis=0) / np.maximum(usual.sum(axis=0), 1e-300)
    trust = DAY_SPREAD**2 / (DAY_SPREAD**2 + 1 / (expected + 1.0))
    trust = np.where(is_open[:, None], 1.0, trust)
    out: FloatArray = np.exp(trust * (log_level - mean))
    return out


def _wear(
    counted: FloatArray, expected: FloatArray, worn: FloatArray, weight: FloatArray
) -> tuple[float, float]:
    """Return the change of the log rate per doubling, and its sd.

    Given a cell's total, its rewards fall on days in proportion to what was expected there, so the
    cell's own rate does not matter; one Newton search in one dimension.
    """
    slope = WEAR
    total = np.einsum("t,tac->ac", weight, counted)
    information = 1 / WEAR_SD**2
    for _ in range(12):
        share = weight[:, None, None] * expected * np.exp(slope * worn)
        share = share / np.maximum(share.sum(axis=0), 1e-300)
        mean = (share * worn).sum(axis=0)
        spread = (share * worn**2).sum(axis=0) - mean**2
        seen = np.einsum("t,tac->ac", weight, counted * worn)
        gradient = (seen - total * mean).sum() - (slope - WEAR) / WEAR_SD**2
        information = float((total * np.maximum(spread, 0.0)).sum() + 1 / WEAR_SD**2)
        step = float(np.clip(gradient / information, -0.1, 0.1))
        slope = float(np.clip(slope + step, -0.5, 0.2))
        if abs(step) < 1e-6:
            break
    return slope, information**-0.5


def _levels(effective: FloatArray, clicks: FloatArray, base: FloatArray) -> FloatArray:
    """Return each audience's logit level: creatives count by what is known of them, not shown."""
    n, k = effective, clicks
    pseudo = 1 / (USUAL_SPREAD**2 * base * (1 - base))
    own = (k + pseudo[:, None] * base[:, None]) / (n + pseudo[:, None])
    known = n / (n + pseudo[:, None])
    total = known.sum(axis=1)
    logit = np.log(own / (1 - own))
    prior = np.log(base / (1 - base))
    out: FloatArray = ((known * logit).sum(axis=1) + 0.5 * prior) / (total + 0.5)
    return out


def _spread(effective: FloatArray, clicks: FloatArray, level: FloatArray) -> float:
    """Return the sd between creatives by moments, pulled to the usual one where cells are few."""
    n, k = effective, clicks
    usable = k >= 5
    logit = np.log((k + 0.5) / np.maximum(n - k + 0.5, 0.5))
    noise = 1 / (k + 0.5) + 1 / np.maximum(n - k + 0.5, 0.5)
    excess = np.where(usable, (logit - level[:, None]) ** 2 - noise, 0.0)
    weight = np.where(usable, USUAL_SPREAD**2 / (USUAL_SPREAD**2 + noise), 0.0)
    moments = (weight * excess).sum() + SPREAD_WEIGHT * USUAL_SPREAD**2
    return float(np.sqrt(max(moments / (weight.sum() + SPREAD_WEIGHT), 0.05**2)))


def _pooled(
    effective: FloatArray, clicks: FloatArray, level: FloatArray, spread: float
) -> tuple[FloatArray, FloatArray]:
    """Return mode and sd of every cell's logit: Laplace's approximation, a creative at a time.

    A creative's cells share its effect, so their prior covariance is spread^2 everywhere plus the
    pair's own variance on the diagonal.
    """
    n_audiences = level.size
    own = min(AUDIENCE_SPREAD, spread)
    common = spread**2 - own**2
    n, k = effective.T, clicks.T
    eta = np.broadcast_to(level, n.shape).copy()
    for _ in range(30):
        p = _expit(eta)
        weight = np.maximum(n * p * (1 - p), 1e-12)
        pull = (k - n * p) + weight * (eta - level)
        shift, variance = _solve_common(weight, pull, common, own**2)
        step = level + shift - eta
        eta = eta + np.clip(step, -2.0, 2.0)
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
    if n_audiences == 0:
        return eta.T, eta.T
    return eta.T, np.sqrt(variance).T


def _solve_common(
    weight: FloatArray, pull: FloatArray, common: float, own: float
) -> tuple[FloatArray, FloatArray]:
    """Return (W + K^-1)^-1 pull and its diagonal, for K = common everywhere + own on the diagonal.

    By Sherman and Morrison: K W + I has a diagonal part and one of rank one.
    """
    held = own / (1 + own * weight)  # posterior variance were there no common effect
    slope = 1 / (1 + own * weight)
    gain = common / (1 + common * (weight * slope).sum(axis=1, keepdims=True))
    effect = gain * (slope * pull).sum(axis=1, keepdims=True)
    mean = held * pull + slope * effect
    variance = held + slope**2 * gain
    return mean, variance


def _worth(exposures: Exposures, weight: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return log worth per event of every cell, its sd, and each audience's mean."""
    value = np.einsum("t,tac->ac", weight, exposures.rewards)
    events = np.einsum("t,tac->ac", weight, exposures.counted)
    overall = max(value.sum(), 1e-12) / max(events.sum(), 1e-12)
    total, seen = value.sum(axis=1), events.sum(axis=1)
    mean = (total + WORTH_WEIGHT * overall) / (seen + WORTH_WEIGHT)
    own = (value + WORTH_WEIGHT * mean[:, None]) / (events + WORTH_WEIGHT)
    return np.log(own), (events + WORTH_WEIGHT) ** -0.5, np.log(mean)


def _expit(value: FloatArray) -> FloatArray:
    out: FloatArray = 1 / (1 + np.exp(-value))
    return out
