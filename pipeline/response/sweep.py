"""The sweeps of the fit: demand given the curves, and the curves given demand, by turns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from pipeline.core.errors import PipelineError
from pipeline.core.types import BoolArray, FloatArray, SingleArray
from pipeline.response.belief import Belief, Freed, Prepared, begin, jumped, log_movement
from pipeline.response.blocks import (
    BLOCK_LINES,
    COARSE_LINES,
    BlockEvidence,
    BlockJob,
    RunBlocks,
    run_here,
    together,
)
from pipeline.response.breaks import Breaks
from pipeline.response.cells import Weeks
from pipeline.response.curves import carried_spend, write_features
from pipeline.response.evidence import Evidence, single
from pipeline.response.experiments import Treatment, readouts
from pipeline.response.grid import COARSE, FULL, SHOCK_KEPT, Grid
from pipeline.response.look import Seen, day_scale, look
from pipeline.response.messages import with_readouts
from pipeline.response.noise import slow_drift
from pipeline.response.pooling import drift_population
from pipeline.response.population import (
    Population,
    pool_lines,
    relative_return,
)
from pipeline.response.scratch import Scratch
from pipeline.response.special_days import Effects
from pipeline.response.taught import Taught

SWEEPS = (COARSE, COARSE, FULL)
"""The grid of each sweep: demand settles on few nodes, the answer is given on all."""


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
    weeks: Weeks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What is known of lines once they and lift tests have told of each other."""

    weights: SingleArray
    population: Population
    evidence: Evidence
    taught: Taught


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
    seen = look(data, belief)
    demand, scatter = seen.demand, seen.scatter
    found = _each_line(grid, data, belief, seen, run_blocks)
    told = _all_lines(grid, data, belief, seen, found.evidence, tests)
    weights, evidence = told.weights, told.evidence
    base = _expected(grid, data, evidence, weights)
    wander = evidence.drift @ np.square(grid.drifts) / np.array([1.0, 1 - SHOCK_KEPT**2])
    freed = seen.freed
    if grid is not FULL:
        scale = day_scale(data, demand)
        freed = jumped(freed, scale, base, scatter, belief.movement, wander[:, 1])
    drifted = slow_drift(freed.outcome, base, freed.variance)
    kept = np.einsum("lrsk,r->l", weights, grid.retentions)
    relative = data.screened.spend / data.reference
    after = Belief(
        unit=belief.unit,
        level=np.maximum(np.einsum("lrsk,lrsk->l", weights, evidence.level_mean), 1e-6),
        base=base,
        expected=np.maximum(base * drifted, np.float32(1e-6)),
        found=single(demand.factor * drifted),
        movement=log_movement(carried_spend(data.screened.spend, kept), data.reference),
        noise=scatter.noise,
        robust=scatter.robust,
        own=np.einsum("lrsk,sk->l", weights, grid.elasticity),
        wander=wander,
        breaks=freed.breaks,
        drift=evidence.drift,
    )
    return after, Fitted(
        weights=weights,
        population=told.population,
        evidence=evidence,
        taught=told.taught,
        tomorrow=demand.tomorrow,
        special=demand.special,
        weeks=Weeks.of(relative, after.expected, freed.variance, wander),
        standard=_standard(freed, after.expected, scatter.usable),
        lost=found.lost,
        breaks=freed.breaks,
    )


def _each_line(
    grid: Grid,
    data: Prepared,
    belief: Belief,
    seen: Seen,
    run_blocks: RunBlocks,
) -> BlockEvidence:
    """Return what every line's own days show."""
    freed, n_lines, drift = seen.freed, belief.level.size, belief.drift
    if drift is None or drift.shape[1] != len(grid.drift_prior):
        drift = np.tile(grid.drift_prior, (n_lines, 1))
    drift_prior = drift_population(drift, grid.drift_prior, data.groups)
    jobs = (
        BlockJob(
            is_full=grid is FULL,
            freed=freed.outcome[:, block],
            variance=freed.variance[:, block],
            spend=data.screened.spend[:, block],
            reference=data.reference[block],
            level=belief.level[block],
            common=seen.nuisances(belief, block),
            drift_prior=drift_prior[block],
            steps=freed.breaks.steps(freed.outcome[:, block].shape, block.start),
        )
        for block in _blocks(n_lines, grid)
    )
    return together(run_blocks(jobs), grid, n_lines)


def _all_lines(
    grid: Grid,
    data: Prepared,
    belief: Belief,
    seen: Seen,
    evidence: Evidence,
    tests: tuple[Treatment, ...],
) -> _Told:
    """Return what lines say of each other, and lift tests of those that they measured."""
    pooled = partial(
        pool_lines,
        grid,
        groups=data.groups,
        common=seen.common,
        returned=relative_return(belief.level * data.worth, data.reference),
    )
    if not tests or grid is not FULL:
        weights, population = pooled(evidence=evidence)
        return _Told(
            weights=weights, population=population, evidence=evidence, taught=Taught.none()
        )
    before, _ = pooled(evidence=evidence)
    factor = belief.breaks.scale(seen.demand.factor * (belief.expected / belief.base))
    evidence, taught, measured = with_readouts(
        evidence, readouts(tests, data.reference, factor), before, data.worth, data.worth_sd
    )
    weights, population = pooled(evidence=evidence)
    if taught.lines.size:
        weights[taught.lines] = measured
    return _Told(weights=weights, population=population, evidence=evidence, taught=taught)


def _standard(freed: Freed, expected: SingleArray, usable: BoolArray) -> SingleArray:
    """Return how many deviations each day lies off, (n_days, n_lines); its tables are taken."""
    off, variance = freed.outcome, freed.variance
    off -= expected
    off /= np.sqrt(variance, out=variance)
    off[~usable] = 0.0
    return off


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
