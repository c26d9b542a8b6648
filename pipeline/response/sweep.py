"""The sweeps of the fit: demand given the curves, and the curves given demand, by turns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.types import BoolArray, FloatArray, IntArray, RealArray, SingleArray
from pipeline.response.blocks import (
    BLOCK_LINES,
    COARSE_LINES,
    BlockJob,
    RunBlocks,
    run_here,
    together,
)
from pipeline.response.chase import chase_sd, fast_movement
from pipeline.response.curves import carried_spend, write_features
from pipeline.response.demand import Demand, Shown, estimate_demand
from pipeline.response.evidence import Evidence, single
from pipeline.response.experiments import Treatment, readouts
from pipeline.response.faults import Screened
from pipeline.response.grid import COARSE, FULL, SHOCK_KEPT, Grid
from pipeline.response.maturity import Maturity
from pipeline.response.messages import with_readouts
from pipeline.response.noise import cell_noise, dispersion, slow_drift, starting_level, with_unseen
from pipeline.response.pooling import drift_population
from pipeline.response.population import (
    Population,
    common_elasticity,
    common_movement,
    pool_lines,
    relative_return,
)
from pipeline.response.scratch import Scratch
from pipeline.response.slope import mean_slope
from pipeline.response.special_days import Effects, NamedDays
from pipeline.response.taught import Taught

SWEEPS = (COARSE, COARSE, FULL)
"""The grid of each sweep: demand settles on few nodes, the answer is given on all."""

FIRST_RETENTION, FIRST_ELASTICITY = 0.3, 0.25  # to begin with; both are learned
FIRST_NOISE = 0.3**2
FIRST_WANDER = (0.003**2, 0.04**2)  # variance of a level's daily step and of its shocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """History made ready: screened, scaled, with its completeness.

    `uncounted` are the lines whose money stands in for counts that nobody made.
    """

    outcome: FloatArray
    screened: Screened
    maturity: Maturity
    groups: IntArray
    weekdays: IntArray
    named: NamedDays
    reference: FloatArray
    worth: FloatArray
    worth_sd: FloatArray
    uncounted: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class _Belief:
    """What one sweep leaves to the next; tables of days in single precision, many lines are many.

    Attributes:
        unit: (n_lines,), variance over mean of pure counting.
        level: (n_lines,), today's outcome at the reference spend.
        base: (n_days, n_lines), outcome expected on an ordinary day at today's level.
        expected: (n_days, n_lines), the same at the level of the day.
        found: (n_days, n_lines), demand times how far the level was away.
        movement: (n_days, n_lines), log of carried spend over its reference.
        noise: (n_lines,), relative variance beyond counting.
        robust: (n_days, n_lines), factor on the variance of odd days.
        own: (n_lines,), each line's elasticity of the whole outcome.
        wander: (n_lines, 2), variance of the level's daily step and of its shocks.
        drift: (n_lines, n_drifts), how each level wanders, if known.
    """

    unit: FloatArray
    level: FloatArray
    base: SingleArray
    expected: SingleArray
    found: SingleArray
    movement: SingleArray
    noise: FloatArray
    robust: SingleArray
    own: FloatArray
    wander: FloatArray
    drift: FloatArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Where the sweeps ended; `lost` are the lines that nothing could be learned of."""

    weights: SingleArray
    population: Population
    evidence: Evidence
    taught: Taught
    tomorrow: FloatArray
    special: Effects
    standard: SingleArray
    lost: BoolArray


def sweep(data: Prepared, tests: tuple[Treatment, ...], run_blocks: RunBlocks = run_here) -> Fitted:
    """Return where demand given the curves, and the curves given demand, end up.

    Args:
        run_blocks: where lines' evidence is computed, a block at a time.

    Raises:
        PipelineError: no sweep is named.
    """
    belief, fitted = _begin(data), None
    lost = np.zeros(belief.level.size, dtype=bool)
    for grid in SWEEPS:
        belief, fitted = _once(grid, data, belief, tests, run_blocks)
        lost |= fitted.lost
    if fitted is None:
        raise PipelineError("response: no sweep was made; SWEEPS must name a grid")
    return replace(fitted, lost=lost)


def _begin(data: Prepared) -> _Belief:
    """Return what is believed before the first sweep."""
    outcome, share = data.outcome, data.maturity.share
    usable = data.screened.usable
    level = with_unseen(starting_level(outcome / share, usable), usable, data.reference)
    carried = carried_spend(data.screened.spend, FIRST_RETENTION) / data.reference
    base = level * np.clip(0.5 + 0.5 * np.sqrt(carried), 0.3, 3.0)
    return _Belief(
        unit=dispersion(outcome, level),
        level=level,
        base=single(base),
        expected=single(base),
        found=np.ones(base.shape, dtype=np.float32),
        movement=single(np.log(np.maximum(carried, 0.05))),
        noise=np.full(level.size, FIRST_NOISE),
        robust=np.ones(base.shape, dtype=np.float32),
        own=np.full(level.size, FIRST_ELASTICITY),
        wander=np.tile(FIRST_WANDER, (level.size, 1)),
    )


def _once(
    grid: Grid,
    data: Prepared,
    belief: _Belief,
    tests: tuple[Treatment, ...],
    run_blocks: RunBlocks,
) -> tuple[_Belief, Fitted]:
    """Return what is believed after one more sweep."""
    usable, share, movement = data.screened.usable, data.maturity.share, belief.movement
    seen = belief.expected * share
    relative = np.where(usable, belief.unit / np.maximum(seen, 1e-6) + belief.noise, np.inf)
    fast = fast_movement(movement)
    usual, slow = belief.base * share, movement - fast
    told = mean_slope(data.outcome, usual, slow, relative, belief.wander, belief.own)
    common = common_elasticity(*told, relative)
    demand = estimate_demand(
        _shown(data, belief, common.mean),
        data.groups,
        data.weekdays,
        np.square(data.maturity.log_sd),
        data.named,
    )
    scale = demand.factor * single(share)
    freed = single(data.outcome) / scale
    counting = single(belief.unit) * belief.expected / scale
    robust, noise = cell_noise(freed, belief.expected, counting, demand, usable)
    variance = (single(noise) + demand.variance) * np.square(belief.expected)
    variance += counting
    variance *= robust
    variance[~usable] = np.inf
    fast *= np.float32(chase_sd(freed, belief.expected, variance, movement, fast))
    del scale, counting, seen, usual, slow  # a hundred thousand lines have to fit
    in_common = common_movement(movement, relative, common.error)
    drift = belief.drift
    if drift is None or drift.shape[1] != len(grid.drift_prior):
        drift = np.tile(grid.drift_prior, (belief.level.size, 1))
    drift_prior = drift_population(drift, grid.drift_prior, data.groups)
    jobs = (
        BlockJob(
            is_full=grid is FULL,
            freed=freed[:, block],
            variance=variance[:, block],
            spend=data.screened.spend[:, block],
            reference=data.reference[block],
            level=belief.level[block],
            common=_nuisances(in_common, fast, demand, belief, block),
            drift_prior=drift_prior[block],
        )
        for block in _blocks(belief.level.size, grid)
    )
    found = together(run_blocks(jobs), grid, belief.level.size)
    evidence = found.evidence
    pooled = partial(
        pool_lines,
        grid,
        groups=data.groups,
        common=common,
        returned=relative_return(belief.level * data.worth, data.reference),
    )
    taught, measured = Taught.none(), np.empty(0, dtype=np.float32)
    if tests and grid is FULL:
        before, _ = pooled(evidence=evidence)
        factor = demand.factor * (belief.expected / belief.base)
        evidence, taught, measured = with_readouts(
            evidence,
            readouts(tests, data.reference, factor),
            before,
            data.worth,
            data.worth_sd,
        )
    weights, population = pooled(evidence=evidence)
    if taught.lines.size:
        weights[taught.lines] = measured
    kept = np.einsum("lrsk,r->l", weights, grid.retentions)
    moved = single(carried_spend(data.screened.spend, kept) / data.reference)
    moved = np.log(np.maximum(moved, np.float32(0.05)))
    del relative
    base = _expected(grid, data, evidence, weights)
    drifted = slow_drift(freed, base, variance)
    expected = np.maximum(base * drifted, np.float32(1e-6))
    freed -= expected
    freed /= np.sqrt(variance, out=variance)
    freed[~usable] = 0.0
    after = _Belief(
        unit=belief.unit,
        level=np.maximum(np.einsum("lrsk,lrsk->l", weights, evidence.level_mean), 1e-6),
        base=base,
        expected=expected,
        found=single(demand.factor * drifted),
        movement=moved,
        noise=noise,
        robust=robust,
        own=np.einsum("lrsk,sk->l", weights, grid.elasticity),
        wander=evidence.drift @ np.square(grid.drifts) / np.array([1.0, 1 - SHOCK_KEPT**2]),
        drift=evidence.drift,
    )
    return after, Fitted(
        weights=weights,
        population=population,
        evidence=evidence,
        taught=taught,
        tomorrow=demand.tomorrow,
        special=demand.special,
        standard=freed,
        lost=found.lost,
    )


def _shown(data: Prepared, belief: _Belief, centre: float) -> Shown:
    """Return what lines show of demand, were each one's slope the population's.

    A line's own slope is what its days will tell later; to use it here would count them twice.
    """
    usual = belief.base * data.maturity.share
    away = belief.movement - belief.movement[-28:].mean(axis=0)
    noise = belief.unit / np.maximum(usual * belief.found, 1e-6) + belief.noise
    return Shown(
        log=_log_ratio(data.outcome, usual, belief.found, belief.unit)
        - (centre - belief.own) * away,
        variance=np.where(data.screened.usable, noise * belief.robust, np.inf),
        movement=belief.movement,
        walk=belief.wander[:, 0],
        shock=belief.wander[:, 1],
    )


def _nuisances(
    common: FloatArray, fast: SingleArray, demand: Demand, belief: _Belief, block: slice
) -> SingleArray:
    """Return the movements that must teach nothing, (n_nuisances, n_days, n_lines in block)."""
    modes = demand.modes_of(block)
    out = np.empty((2 + len(modes), *modes.shape[1:]), dtype=np.float32)
    relative = belief.expected[:, block] / single(belief.level[block])
    out[0] = common[:, None]
    np.multiply(fast[:, block], relative, out=out[1])
    np.multiply(modes, relative, out=out[2:])
    return out


def _blocks(n_lines: int, grid: Grid) -> list[slice]:
    """Return blocks of lines: what needs every response is done for one block after the other."""
    size = BLOCK_LINES if grid is FULL else COARSE_LINES
    return [slice(first, first + size) for first in range(0, n_lines, size)]


def _log_ratio(
    outcome: FloatArray, expected: FloatArray, found: RealArray, unit: FloatArray
) -> FloatArray:
    """Return the log of outcome over expected, linear around what was found before.

    Counts may be zero, and their logs are not; a step of Gauss and Newton from the last estimate
    is right on average.
    """
    ratio = outcome / np.maximum(expected, 1e-9)
    if np.all(found == 1.0):
        return np.asarray(np.log((outcome + 0.5 * unit) / (expected + 0.5 * unit)))
    return np.asarray(np.log(found) + np.clip(ratio / found - 1.0, -1.0, 3.0))


def _expected(grid: Grid, data: Prepared, evidence: Evidence, weights: SingleArray) -> SingleArray:
    """Return the posterior mean outcome of every past day at today's level."""
    out = np.empty(data.outcome.shape, dtype=np.float32)
    scratch = Scratch()
    for block in _blocks(len(weights), grid):
        level = weights[block] * evidence.level_mean[block]
        effect = level @ grid.shares.astype(np.float32)  # (lines, retentions, shapes)
        flat = level.sum(axis=(1, 2, 3))
        responses = scratch.take("responses", (len(out), effect[0].size, flat.size))
        spend, reference = data.screened.spend[:, block], data.reference[block]
        write_features(spend, reference, responses, grid.retentions, grid.shapes)
        effects = np.ascontiguousarray(effect.reshape(flat.size, -1).T)
        np.einsum("rl,trl->tl", effects, responses, out=out[:, block])
        out[:, block] += flat
    return np.maximum(out, np.float32(1e-6), out=out)
