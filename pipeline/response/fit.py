"""Fit every line's response, jointly: demand, noise, evidence and pooling in a few sweeps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.history import History, LiftTest, Vintages
from pipeline.core.types import BoolArray, FloatArray, IntArray
from pipeline.response.curves import RETENTIONS, carried_spend, features
from pipeline.response.demand import estimate_demand, shared_slope
from pipeline.response.evidence import Evidence, evaluate
from pipeline.response.experiments import experiment_finding, readouts, with_readouts
from pipeline.response.faults import Screened, screen
from pipeline.response.grid import COARSE, FULL, Grid
from pipeline.response.health import model_findings
from pipeline.response.leads import Lead, complete, lead_findings
from pipeline.response.maturity import Maturity, learn_maturity
from pipeline.response.noise import cell_noise, dispersion, slow_drift, starting_level
from pipeline.response.pooling import drift_population
from pipeline.response.population import (
    common_elasticity,
    common_movement,
    mean_elasticity,
    pool_lines,
    relative_return,
)
from pipeline.response.posterior import Posterior
from pipeline.response.worth import worth_per_count

SWEEPS = (COARSE,) * 5 + (FULL,) * 2
"""The grid of each sweep: demand settles on few nodes, the answer is given on all."""

FURTHEST = 6.0  # the library's shapes say little beyond so many times the reference
DAY_WEIGHT = 0.5
"""What a day counts towards the curve. The rest of a market is never modelled quite rightly, demand
and noise are plugged in, and with full weight intervals are too narrow. Source: Miller and Dunson
(2019), "Robust Bayesian inference via coarsening"."""

BLOCK_LINES = 64  # so many lines' responses and sums stay in the processor's cache
SCALE_DOF = 30.0
FIRST_RETENTION, FIRST_ELASTICITY = 0.3, 0.25  # to begin with; both are learned
FIRST_NOISE = 0.3**2
SHARED_SD = 0.1  # of log demand: what nobody knows of tomorrow, all lines alike


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """What the model is told rather than learns.

    Attributes:
        metric: the outcome whose response is wanted.
        count: the outcome that is counted, `conversions` under a revenue metric; None counts
            the metric itself.
        is_led: whether the history's leads predict it.
    """

    metric: str
    count: str | None = None
    is_led: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Data:
    """History made ready: screened, scaled, with its completeness."""

    outcome: FloatArray
    screened: Screened
    maturity: Maturity
    groups: IntArray
    weekdays: IntArray
    reference: FloatArray
    worth: FloatArray
    worth_sd: FloatArray
    leads: tuple[Lead, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fitted:
    """Where the sweeps ended."""

    weights: FloatArray
    evidence: Evidence
    tomorrow: FloatArray
    standard: FloatArray


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

    Raises:
        PipelineError: history has no such outcome.
    """
    data = _ready(history, settings, vintages)
    fitted = _sweep(history, data, lift_tests)
    spend = data.screened.spend
    return Posterior(
        metric=settings.metric,
        lines=history.lines,
        weights=fitted.weights,
        level_mean=fitted.evidence.level_mean,
        level_sd=fitted.evidence.level_sd,
        drift=fitted.evidence.drift,
        reference=data.reference,
        carried=np.stack([carried_spend(spend, r)[-1] for r in RETENTIONS]),
        recent_spend=spend[-7:].mean(axis=0),
        demand=fitted.tomorrow,
        worth=data.worth,
        worth_sd=data.worth_sd,
        shared_sd=SHARED_SD,
        completeness=data.maturity.curve,
        findings=(
            *model_findings(
                history.lines,
                fitted.weights,
                spend,
                fitted.standard,
                data.screened.usable,
                data.screened,
                data.maturity,
            ),
            *lead_findings(data.leads, settings.count or settings.metric, history.leads),
            *experiment_finding(history, lift_tests),
        ),
    )


def _ready(history: History, settings: FitSettings, vintages: Vintages | None) -> _Data:
    counted = settings.count or settings.metric
    if missing := sorted({counted, settings.metric} - set(history.outcomes)):
        raise PipelineError(
            f"response: history has no outcome {missing[0]!r}, only "
            f"{', '.join(sorted(history.outcomes)) or 'none'}; name one of them in the objective"
        )
    channels, groups = channel_index(history)
    maturity = learn_maturity(vintages, len(history.days), channels, groups)
    seen = history.outcomes[counted]
    reported = np.maximum(np.nan_to_num(seen), 0.0)
    money = history.outcomes[settings.metric] if settings.count else None
    screened = screen(
        history.spend, reported, money, history.trusted & np.isfinite(seen), maturity.share
    )
    outcome, maturity, leads = _completed(history, settings, reported, screened.usable, maturity)
    reference = reference_spend(screened.spend)
    worth, worth_sd = np.ones(groups.size), np.zeros(groups.size)
    if money is not None:
        worth, worth_sd = worth_per_count(reported, money, screened.valued, groups)
    first = history.days[0].weekday()
    return _Data(
        outcome=outcome,
        screened=screened,
        maturity=maturity,
        groups=groups,
        weekdays=(first + np.arange(len(history.days) + 1)) % 7,
        reference=reference,
        worth=np.maximum(worth, 1e-9),
        worth_sd=worth_sd,
        leads=leads,
    )


def _completed(
    history: History,
    settings: FitSettings,
    outcome: FloatArray,
    usable: BoolArray,
    maturity: Maturity,
) -> tuple[FloatArray, Maturity, tuple[Lead, ...]]:
    """Return the counted outcome with its young days completed, and what is known of each then."""
    if not (history.leads and settings.is_led):
        return outcome, maturity, ()
    channels, groups = channel_index(history)
    found = complete(
        outcome,
        maturity,
        {
            name: (
                lead.table,
                None
                if lead.vintages is None
                else learn_maturity(lead.vintages, len(history.days), channels, groups),
            )
            for name, lead in history.leads.items()
        },
        usable,
        groups,
    )
    return found.outcome, replace(maturity, share=found.share, log_sd=found.log_sd), found.leads


def _sweep(history: History, data: _Data, lift_tests: tuple[LiftTest, ...]) -> _Fitted:
    """Alternate between demand given the curves and the curves given demand."""
    outcome, usable, spend = data.outcome, data.screened.usable, data.screened.spend
    share = data.maturity.share
    late_variance = np.square(data.maturity.log_sd)
    tests = readouts(history, lift_tests, spend, data.reference)
    level = starting_level(outcome / share, usable)
    unit = dispersion(outcome, level)
    carried = carried_spend(spend, FIRST_RETENTION) / data.reference
    movement = np.log(np.maximum(carried, 0.05))
    expected = level * np.clip(0.5 + 0.5 * np.sqrt(carried), 0.3, 3.0)
    noise = np.full(outcome.shape, FIRST_NOISE)
    elasticity = FIRST_ELASTICITY
    weights: FloatArray | None = None
    drift: FloatArray | None = None
    for grid in SWEEPS:
        seen = expected * share
        relative = np.where(usable, unit / np.maximum(seen, 1e-6) + noise, np.inf)
        slope, slope_sd = shared_slope(outcome, seen, movement, relative)
        centre, slope, slope_sd = common_elasticity(elasticity, slope, slope_sd)
        demand = estimate_demand(
            outcome,
            seen * np.exp(slope * movement),
            relative,
            data.groups,
            data.weekdays,
            late_variance,
        )
        common = common_movement(movement, relative, slope_sd)
        scale = demand.factor * share
        freed, counting = outcome / scale, unit * expected / scale
        robust, noise = cell_noise(freed, expected, counting, demand, usable)
        variance = counting + (noise + demand.variance) * expected**2
        variance = np.where(usable, variance * robust, np.inf)
        if drift is None or drift.shape[1] != len(grid.drift_prior):
            drift = np.tile(grid.drift_prior, (len(level), 1))
        drift_prior = drift_population(drift, grid.drift_prior, data.groups)
        evidence = _evidence(grid, data, freed, variance, level, common, drift_prior)
        drift = evidence.drift
        returned = relative_return(level * data.worth, data.reference)
        if tests and grid is FULL and weights is not None:
            if weights.shape != evidence.log_likelihood.shape:
                weights = pool_lines(grid, evidence, data.groups, centre, slope_sd, returned)
            evidence = with_readouts(evidence, tests, weights, data.worth)
        weights = pool_lines(grid, evidence, data.groups, centre, slope_sd, returned)
        kept = np.einsum("lrsk,r->l", weights, grid.retentions)
        movement = np.log(np.maximum(carried_spend(spend, kept) / data.reference, 0.05))
        elasticity = mean_elasticity(grid, weights, relative, movement)
        expected = _expected(grid, data, evidence, weights)
        expected = np.maximum(expected * slow_drift(freed, expected, variance), 1e-6)
        level = np.maximum((weights * evidence.level_mean).sum(axis=(1, 2, 3)), 1e-6)
    if weights is None:
        raise PipelineError("response: no sweep was made; SWEEPS must name a grid")
    return _Fitted(
        weights=weights,
        evidence=evidence,
        tomorrow=demand.tomorrow,
        standard=np.where(usable, (freed - expected) / np.sqrt(variance), 0.0),
    )


def _blocks(n_lines: int) -> list[slice]:
    """Return blocks of lines: what needs every response is done for one block after the other."""
    return [slice(first, first + BLOCK_LINES) for first in range(0, n_lines, BLOCK_LINES)]


def _responses(grid: Grid, data: _Data, block: slice) -> FloatArray:
    spend, reference = data.screened.spend[:, block], data.reference[block]
    return features(spend, reference, grid.retentions, grid.shapes)


def _evidence(
    grid: Grid,
    data: _Data,
    freed: FloatArray,
    variance: FloatArray,
    level: FloatArray,
    common: FloatArray,
    drift_prior: FloatArray,
) -> Evidence:
    """Return the evidence of all lines, block by block."""
    parts = [
        evaluate(
            grid,
            freed[:, block],
            variance[:, block],
            _responses(grid, data, block),
            level[block],
            common[:, :, block],
            drift_prior[block],
            scale_dof=SCALE_DOF,
        )
        for block in _blocks(len(level))
    ]
    return Evidence(
        log_likelihood=DAY_WEIGHT * np.concatenate([part.log_likelihood for part in parts]),
        level_mean=np.concatenate([part.level_mean for part in parts]),
        level_sd=np.concatenate([part.level_sd for part in parts]),
        drift=np.concatenate([part.drift for part in parts]),
    )


def channel_index(history: History) -> tuple[tuple[str, ...], IntArray]:
    """Return the channels' names and the channel of every line; one level is one channel."""
    if len(history.lines[0]) == 1:
        return ("",), np.zeros(len(history.lines), dtype=np.int64)
    names = sorted({line[0] for line in history.lines})
    index = {name: i for i, name in enumerate(names)}
    return tuple(names), np.array([index[line[0]] for line in history.lines], dtype=np.int64)


def reference_spend(spend: FloatArray) -> FloatArray:
    """Return each line's usual spend, (n_lines,): where its curve and its prior are anchored.

    The median of all days with spend, not of the last ones: what the population says of a line
    holds where people had put it. Were it to follow the line to where plans move it, a line that
    was given more would be believed to be steeper, because its average return has fallen.
    """
    paid = np.where(spend > 0, spend, np.nan)
    paid[:, ~np.isfinite(paid).any(axis=0)] = 0.0
    usual, recent = np.nanmedian(paid, axis=0), spend[-28:].mean(axis=0)
    near = np.clip(usual, recent / FURTHEST, recent * FURTHEST)
    return np.asarray(np.maximum(np.where(recent > 0, near, usual), 1e-6))


def _expected(grid: Grid, data: _Data, evidence: Evidence, weights: FloatArray) -> FloatArray:
    """Return the posterior mean outcome of every past day at today's level."""
    level = weights * evidence.level_mean
    flat = (level * (1 - grid.shares)).sum(axis=(1, 2, 3))
    effect = (level * grid.shares).sum(axis=3).reshape(len(flat), -1)  # (L, responses)
    out = np.empty(data.outcome.shape)
    for block in _blocks(len(flat)):
        out[:, block] = flat[block] + np.einsum(
            "lr,trl->tl", effect[block], _responses(grid, data, block)
        )
    return out
