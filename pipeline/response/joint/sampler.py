"""Draws of the joint posterior: many short chains side by side, until they agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.core.types import FloatArray, IntArray
from pipeline.response.joint.chain_state import CHAINS, MEDIA_SHARE, ChainState, Experiments, Series
from pipeline.response.joint.gibbs import sweep

WARM_UP, KEPT = 80, 10
"""As many draws are kept as a night decides with, so that its draws and its mean are one set."""
THINNINGS = (6, 12, 24, 48)
"""Sweeps from one kept draw to the next: longer, until the chains agree; all before is warm-up."""
MIXED = 1.2
"""Potential scale reduction above which chains still differ. Source: Brooks and Gelman (1998),
"General methods for monitoring convergence of iterative simulations"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chains:
    """What was kept, chains one after the other.

    Attributes:
        node: (n_draws, n_lines), into the library.
        coefficient: (n_draws, n_lines), outcome a day at the reference spend, series' units.
        media_share: (n_draws,), the population's mean return.
        noise: (n_draws, n_series), variance.
        noise_kind: (n_draws, n_series), which of `NOISES`.
        chain: (n_draws,), which chain.
        sweeps: of each chain, warm-up included.
        apart: how far chains differ in what has to agree, as a factor that is 1 at best.
    """

    node: IntArray
    coefficient: FloatArray
    media_share: FloatArray
    noise: FloatArray
    noise_kind: IntArray
    chain: IntArray
    sweeps: int
    apart: float


def sample(
    series: tuple[Series, ...],
    experiments: Experiments,
    log_prior: FloatArray,
    rng: np.random.Generator,
    decisive: Callable[[IntArray, FloatArray], FloatArray] = lambda node, coefficient: coefficient,
) -> Chains:
    """Return draws of the joint posterior, from chains that go on until they agree.

    Args:
        series: every measured outcome; a line belongs to one at most, and to none keeps 0.
        experiments: evidence beside the days.
        log_prior: (n_nodes,), of a line's node.
        rng: the only source of chance.
        decisive: from nodes and coefficients of all draws, (n_draws, n_lines) each, what decisions
            rest on and chains have to agree on, (n_draws, n).
    """
    state = ChainState(series, experiments, experiments.effect.shape[1], log_prior.size)
    state.node = rng.choice(log_prior.size, size=state.node.shape, p=np.exp(log_prior))
    for index, item in enumerate(series):
        start = MEDIA_SHARE * item.full * rng.lognormal(0, 0.5, (CHAINS, item.full.size))
        state.coefficient[:, item.lines] = start
        most = state.caused(item).sum(axis=1, keepdims=True)
        state.coefficient[:, item.lines] = start / np.maximum(1.0, most / 0.9)
        state.noise_index[:, index] = rng.integers(item.moments.square.size, size=CHAINS)
    sweeps, chain = WARM_UP, np.repeat(np.arange(CHAINS), KEPT)
    sweep(state, WARM_UP, log_prior, rng)
    for thinning in THINNINGS:
        kept = []
        for _ in range(KEPT):
            sweep(state, thinning, log_prior, rng)
            parts = (
                state.node,
                state.coefficient,
                state.media,
                state.noise,
                state.noise_index,
            )
            kept.append([part.copy() for part in parts])
        sweeps += KEPT * thinning
        node, coefficient, media, noise, noise_kind = (
            np.stack(part, axis=1).reshape(chain.size, *part[0].shape[1:])
            for part in zip(*kept, strict=True)
        )
        apart = float(potential_reduction(decisive(node, coefficient), chain).max())
        if apart <= MIXED:
            break
    return Chains(
        node=node,
        coefficient=coefficient,
        media_share=media,
        noise=noise,
        noise_kind=noise_kind,
        chain=chain,
        sweeps=sweeps,
        apart=apart,
    )


def potential_reduction(draws: FloatArray, chain: IntArray) -> FloatArray:
    """Return the potential scale reduction of each column of (n_draws, n), 1 where none varies."""
    count = int(chain.max()) + 1
    by_chain = draws.reshape(count, -1, draws.shape[1])
    length = by_chain.shape[1]
    within = by_chain.var(axis=1, ddof=1).mean(axis=0)
    between = by_chain.mean(axis=1).var(axis=0, ddof=1)
    total = (length - 1) / length * within + between
    return np.asarray(np.sqrt(np.where(total > 0, total / np.maximum(within, 1e-300), 1.0)))
