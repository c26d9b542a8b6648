"""The sweeps of the fit: demand given the curves, and the curves given demand, by turns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.types import BoolArray, FloatArray, SingleArray
from pipeline.response.belief import Belief, Prepared, begin, jumped, log_movement, shown
from pipeline.response.blocks import (
    BLOCK_LINES,
    COARSE_LINES,
    BlockJob,
    RunBlocks,
    run_here,
    together,
)
from pipeline.response.breaks import Breaks
from pipeline.response.chase import chase_sd, fast_movement
from pipeline.response.curves import carried_spend, write_features
from pipeline.response.demand import Demand, estimate_demand
from pipeline.response.evidence import Evidence, single
from pipeline.response.experiments import Treatment, readouts
from pipeline.response.grid import COARSE, FULL, SHOCK_KEPT, Grid
from pipeline.response.messages import with_readouts
from pipeline.response.noise import cell_noise, slow_drift
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
from pipeline.response.special_days import Effects
from pipeline.response.taught import Taught

SWEEPS = (COARSE, COARSE, FULL)
"""The grid of each sweep: demand settles on few nodes, the answer is given on all."""

LOADING_SD = 0.3  # of how strongly a line feels the demand that lines share, around 1


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
    breaks: Breaks


def sweep(data: Prepared, tests: tuple[Treatment, ...], run_blocks: RunBlocks = run_here) -> Fitted:
    """Return where demand given the curves, and the curves given demand, end up.

    Args:
        run_blocks: where lines' evidence is computed, a block at a time.

    Raises:
        PipelineError: no sweep is named.
    """
    belief, fitted = begin(data), None
    lost = np.zeros(belief.level.size, dtype=bool)
    for grid in SWEEPS:
        belief, fitted = _once(grid, data, belief, tests, run_blocks)
        lost |= fitted.lost
    if fitted is None:
        raise PipelineError("response: no sweep was made; SWEEPS must name a grid")
    return replace(fitted, lost=lost)


def _once(
    grid: Grid,
    data: Prepared,
    belief: Belief,
    tests: tuple[Treatment, ...],
    run_blocks: RunBlocks,
) -> tuple[Belief, Fitted]:
    """Return what is believed after one more sweep."""
    usable, share, movement = data.screened.usable, data.maturity.share, belief.movement
    breaks = belief.breaks
    seen = breaks.scale(belief.expected * share)
    relative = np.where(usable, belief.unit / np.maximum(seen, 1e-6) + belief.noise, np.inf)
    fast = fast_movement(movement)
    usual, slow = breaks.scale(belief.base * share), movement - fast
    told = mean_slope(data.outcome, usual, slow, relative, belief.wander, belief.own)
    common = common_elasticity(*told, relative)
    demand = estimate_demand(
        shown(data, belief, common.mean),
        data.groups,
        data.weekdays,
        np.square(data.maturity.log_sd),
        data.named,
    )
    scale = breaks.scale(demand.factor * single(share))
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
            steps=breaks.steps(freed[:, block].shape, block.start),
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
        factor = breaks.scale(demand.factor * (belief.expected / belief.base))
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
    del relative
    kept = np.einsum("lrsk,r->l", weights, grid.retentions)
    base = _expected(grid, data, evidence, weights)
    wander = evidence.drift @ np.square(grid.drifts) / np.array([1.0, 1 - SHOCK_KEPT**2])
    if grid is not FULL:
        around = variance / robust
        breaks, freed = jumped(breaks, freed, base, around, movement, usable, wander[:, 1])
    drifted = slow_drift(freed, base, variance)
    expected = np.maximum(base * drifted, np.float32(1e-6))
    freed -= expected
    freed /= np.sqrt(variance, out=variance)
    freed[~usable] = 0.0
    after = Belief(
        unit=belief.unit,
        level=np.maximum(np.einsum("lrsk,lrsk->l", weights, evidence.level_mean), 1e-6),
        base=base,
        expected=expected,
        found=single(demand.factor * drifted),
        movement=log_movement(carried_spend(data.screened.spend, kept), data.reference),
        noise=noise,
        robust=robust,
        own=np.einsum("lrsk,sk->l", weights, grid.elasticity),
        wander=wander,
        breaks=breaks,
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
        breaks=breaks,
    )


def _nuisances(
    common: FloatArray, fast: SingleArray, demand: Demand, belief: Belief, block: slice
) -> SingleArray:
    """Return the movements that must teach nothing, (n_nuisances, n_days, n_lines in block)."""
    modes = demand.modes_of(block)
    out = np.empty((3 + len(modes), *modes.shape[1:]), dtype=np.float32)
    relative = belief.expected[:, block] / single(belief.level[block])
    out[0] = common[:, None]
    np.multiply(fast[:, block], relative, out=out[1])
    np.log(demand.factor[:, block], out=out[2])
    out[2] *= np.float32(LOADING_SD) * relative
    np.multiply(modes, relative, out=out[3:])
    return out


def _blocks(n_lines: int, grid: Grid) -> list[slice]:
    """Return blocks of lines: what needs every response is done for one block after the other."""
    size = BLOCK_LINES if grid is FULL else COARSE_LINES
    return [slice(first, first + size) for first in range(0, n_lines, size)]


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
