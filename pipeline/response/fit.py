"""Fit every line's response, jointly: demand, noise, evidence and pooling in a few sweeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.history import History, LiftTest, Vintages
from pipeline.core.types import BoolArray, FloatArray, IntArray
from pipeline.response.curves import RETENTIONS, SHAPES, carried_spend, features, shape_prior
from pipeline.response.demand import Demand, estimate_demand, shared_slope
from pipeline.response.evidence import DRIFTS, SHARES, Evidence, evaluate
from pipeline.response.pooling import pooled_posterior
from pipeline.response.posterior import Posterior

SWEEPS = 8
ROBUST_DOF = 6.0  # a day may be odd; how odd before it stops mattering (Lange et al. 1989)
SCALE_DOF = 30.0
ELASTICITY, ELASTICITY_SD = 0.25, 0.12  # of the whole outcome, over portfolios: a wide prior
NODE_ELASTICITY = np.outer([shape.elasticity() for shape in SHAPES], SHARES)
ELASTICITY_SPREAD = 0.25
SLOPE_SPREAD = 0.15  # how far lines' elasticities of the whole outcome lie apart


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """What the model is told rather than learns.

    Attributes:
        metric: the outcome whose response is wanted.
        count: the outcome that is counted, `conversions` under a revenue metric; None counts
            the metric itself.
        incomplete_days: the last days whose outcomes are still coming in.
    """

    metric: str
    count: str | None = None
    incomplete_days: int = 7


def fit_response(
    history: History,
    settings: FitSettings,
    *,
    vintages: Vintages | None = None,
    lift_tests: tuple[LiftTest, ...] = (),
) -> Posterior:
    """Return the posterior of every line's response curve.

    Args:
        history: an unbroken calendar; the last day is yesterday.
        settings: what to count.
        vintages: earlier snapshots, for how complete the last days are.
        lift_tests: experiments, as evidence on the lines they treated.
    """
    del vintages, lift_tests
    metric = settings.count or settings.metric
    outcome = np.nan_to_num(history.outcomes[metric])
    usable = history.trusted & np.isfinite(history.outcomes[metric])
    spend = clean_spend(history)
    groups = channel_index(history)
    reference = reference_spend(spend)
    responses = features(spend, reference)
    weekdays = np.array([(day.weekday()) for day in history.days] + [(history.days[-1].weekday() + 1) % 7])
    complete = np.ones(len(history.days), dtype=bool)
    complete[len(complete) - settings.incomplete_days :] = False

    movement = np.log(np.maximum(carried_spend(spend, 0.3) / reference, 0.05))
    level = _level(outcome, usable)
    expected = level * np.clip(0.5 + 0.5 * np.sqrt(carried_spend(spend, 0.3) / reference), 0.3, 3.0)
    noise = np.full(outcome.shape, 0.3**2)
    mean_elasticity = 0.25  # of the starting guess above
    for _ in range(SWEEPS):
        relative = np.where(
            usable, dispersion(outcome, level) / np.maximum(expected, 1e-6) + noise, np.inf
        )
        slope, slope_sd = shared_slope(outcome, expected, movement, relative)
        centre, slope, slope_sd = _population(mean_elasticity, slope, slope_sd)
        demand = estimate_demand(
            outcome, expected * np.exp(slope * movement), relative, groups, weekdays, complete
        )
        common = common_movement(movement, relative, slope_sd)
        freed = outcome / demand.factor
        counting = dispersion(outcome, level) * expected / demand.factor
        robust, noise = _noise(freed, expected, counting, demand, usable, groups)
        variance = np.where(
            usable, (counting + (noise + demand.variance) * expected**2) * robust, np.inf
        )
        evidence = evaluate(
            freed, variance, responses, level, common, scale_dof=SCALE_DOF
        )
        weights = _pool(evidence, groups, centre, slope_sd)
        mean_elasticity = _mean_elasticity(weights, relative, movement)
        expected = _expected(evidence, weights, responses)
        expected = np.maximum(expected * _slow_drift(freed, expected, variance), 1e-6)
        level = np.maximum((weights * evidence.level_mean).sum(axis=(1, 2, 3, 4)), 1e-6)
    worth, worth_sd = _worth(history, settings, usable, groups)
    carried = np.stack([carried_spend(spend, r)[-1] for r in RETENTIONS])
    return Posterior(
        metric=settings.metric,
        lines=history.lines,
        weights=weights,
        level_mean=evidence.level_mean,
        level_sd=evidence.level_sd,
        reference=reference,
        carried=carried,
        recent_spend=spend[-7:].mean(axis=0),
        demand=demand.tomorrow,
        worth=worth,
        worth_sd=worth_sd,
        shared_sd=0.1,
    )


def channel_index(history: History) -> IntArray:
    """Return the 0-based channel of every line; lines of one level share a single channel."""
    if len(history.lines[0]) == 1:
        return np.zeros(len(history.lines), dtype=np.int64)
    names = sorted({line[0] for line in history.lines})
    return np.array([names.index(line[0]) for line in history.lines], dtype=np.int64)


def clean_spend(history: History) -> FloatArray:
    """Return spend with untrusted cells that are far off replaced by the line's own median."""
    spend = history.spend.copy()
    for index in range(spend.shape[1]):
        bad = ~history.trusted[:, index]
        if bad.any() and (~bad).any():
            usual = np.median(spend[~bad, index])
            off = bad & ((spend[:, index] > 4 * usual) | (spend[:, index] < usual / 4))
            spend[off, index] = usual
    return spend


def reference_spend(spend: FloatArray) -> FloatArray:
    """Return each line's spend level of the last four weeks, at least a trace of its mean."""
    recent = spend[-28:].mean(axis=0)
    return np.maximum(np.maximum(recent, 0.05 * spend.mean(axis=0)), 1e-6)


def common_movement(
    movement: FloatArray, relative_variance: FloatArray, slope_sd: float
) -> FloatArray:
    """Return the movement that may still be demand, (1, n_days, n_lines), times its sd.

    The day effects rest on the other lines' slopes; what those may be wrong by, together, looks
    like a slope on the lines' common movement.
    """
    weight = np.where(np.isfinite(relative_variance), 1.0 / relative_variance, 0.0)
    weight = weight.sum(axis=0) / weight.sum()
    spread = np.sqrt(slope_sd**2 + SLOPE_SPREAD**2 * float(np.square(weight).sum()))
    common = movement @ weight
    common -= common.mean()
    return np.broadcast_to(spread * common[None, :, None], (1, *movement.shape)).copy()


def _population(current: float, slope: float, error: float) -> tuple[float, float, float]:
    """Return the lines' mean elasticity, the shared slope that it implies, and their error."""
    precision = 1.0 / error**2 + 1.0 / ELASTICITY_SD**2
    centre = ((current + slope) / error**2 + ELASTICITY / ELASTICITY_SD**2) / precision
    return centre, centre - current, float(1.0 / np.sqrt(precision))


def _mean_elasticity(
    weights: FloatArray, relative_variance: FloatArray, movement: FloatArray
) -> float:
    """Return the mean elasticity of the whole outcome, lines weighed by what they can tell."""
    line = np.einsum("lqrsk,sk->l", weights, NODE_ELASTICITY)
    precision = np.where(np.isfinite(relative_variance), 1.0 / relative_variance, 0.0)
    information = (precision * np.square(movement - movement.mean(axis=0))).sum(axis=0) + 1e-9
    return float((information * line).sum() / information.sum())


def dispersion(outcome: FloatArray, level: FloatArray) -> FloatArray:
    """Return variance over mean of pure counting, (n_lines,): 1 for whole numbers."""
    whole = np.all(outcome == np.round(outcome), axis=0)
    scale = np.where(whole, 1.0, np.maximum(0.1 * level, 1e-6))
    return np.asarray(scale)


def _level(outcome: FloatArray, usable: BoolArray) -> FloatArray:
    recent = slice(-70, None)
    total = (outcome * usable)[recent].sum(axis=0)
    days = usable[recent].sum(axis=0)
    return np.asarray(np.maximum((total + 0.5) / (days + 1.0), 1e-6))


def _noise(
    freed: FloatArray,
    expected: FloatArray,
    counting: FloatArray,
    demand: Demand,
    usable: BoolArray,
    groups: IntArray,
) -> tuple[FloatArray, FloatArray]:
    """Return robust inflation per cell and the relative noise variance beyond counting."""
    residual = np.where(usable, freed - expected, 0.0)
    excess = np.square(residual) - counting - demand.variance * expected**2
    relative = np.where(usable, excess / expected**2, 0.0)
    clipped = np.clip(relative, -4.0, 4.0)
    weight = np.where(usable, expected**2 / (counting + 0.05 * expected**2) ** 2 * expected**2, 0.0)
    own_weight = weight.sum(axis=0)
    own = (weight * clipped).sum(axis=0)
    pooled = own.sum() / max(own_weight.sum(), 1e-12)
    strength = 30.0 * own_weight / np.maximum(usable.sum(axis=0), 1)  # thirty days of the pool
    line = (own + strength * pooled) / np.maximum(own_weight + strength, 1e-12)
    line = np.maximum(line, 0.02**2)
    variance = counting + (line + demand.variance) * expected**2
    # On the root scale counts are near symmetric, so that a sparse line's good days stay in.
    unit = np.maximum(counting / expected, 1e-12)
    root = 2 * (np.sqrt(np.maximum(freed, 0) / unit + 0.375) - np.sqrt(expected / unit + 0.375))
    standard = np.where(usable, root**2 * counting / variance, 0.0)
    robust = (ROBUST_DOF + standard) / (ROBUST_DOF + 1.0)
    return np.maximum(robust, 1.0), np.broadcast_to(line, freed.shape).copy()


def _pool(
    evidence: Evidence, groups: IntArray, centre: float, centre_sd: float
) -> FloatArray:
    spread = ELASTICITY_SPREAD**2 + centre_sd**2
    around = -0.5 * np.square(NODE_ELASTICITY - centre) / spread
    drift = np.array([0.3, 0.5, 0.2])
    retention = np.array([0.3, 0.2, 0.2, 0.2, 0.1])
    share = SHARES**0.3 * (1 - SHARES) ** 0.3
    return pooled_posterior(
        evidence.log_likelihood + around,
        [drift, retention, shape_prior(), share / share.sum()],
        [2.0, 2.0, 4.0, 4.0],
        groups,
    )


def _expected(evidence: Evidence, weights: FloatArray, responses: FloatArray) -> FloatArray:
    """Return the posterior mean outcome of every past day at today's level."""
    level = weights * evidence.level_mean
    flat = (level * (1 - SHARES)).sum(axis=(1, 2, 3, 4))
    effect = (level * SHARES).sum(axis=(1, 4))  # (n_lines, n_retentions, n_shapes)
    return np.asarray(flat + np.einsum("lrs,rstl->tl", effect, responses))


def _slow_drift(freed: FloatArray, expected: FloatArray, variance: FloatArray) -> FloatArray:
    """Return how far a line's level was from today's, smoothed over weeks, (n_days, n_lines)."""
    days = np.arange(freed.shape[0])
    kernel = np.exp(-0.5 * np.square((days[:, None] - days) / 12.0))
    weight = np.where(np.isfinite(variance), expected**2 / variance, 0.0)
    ratio = np.where(np.isfinite(variance), freed / expected, 1.0)
    prior = 40.0
    smooth = (kernel @ (weight * ratio) + prior) / (kernel @ weight + prior)
    return np.clip(smooth, 0.2, 5.0)


def _worth(
    history: History, settings: FitSettings, usable: BoolArray, groups: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return north-star metric per counted outcome, shrunk to the channel, and its deviation."""
    n_lines = len(history.lines)
    if settings.count is None:
        return np.ones(n_lines), np.zeros(n_lines)
    count = np.where(usable, np.nan_to_num(history.outcomes[settings.count]), 0.0)
    money = np.where(usable, np.nan_to_num(history.outcomes[settings.metric]), 0.0)
    member = np.eye(int(groups.max()) + 1)[groups]
    counts, moneys = count.sum(axis=0), money.sum(axis=0)
    overall = moneys.sum() / max(counts.sum(), 1e-9)
    channel = ((moneys @ member + 20 * overall) / (counts @ member + 20))[groups]
    worth = (moneys + 20 * channel) / (counts + 20)
    return worth, worth / np.sqrt(counts + 20)
