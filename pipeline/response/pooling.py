"""Lines borrow from their channel: the population of each factor is learned with the lines.

The grid's factors (retention, shape, share; the drift beside them) are independent a priori; each
channel has its own distribution over a factor's values, with a Dirichlet prior centred on the
library's. EM gives its posterior mean, so that a line with little data looks like its channel and
one with much data like itself. Source: Laird (1978), "Nonparametric maximum likelihood estimation
of a mixing distribution", with a Dirichlet prior.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.core.types import FloatArray, IntArray, SingleArray

EM_STEPS = 6
DRIFT_STRENGTH = 6.0
"""How many lines the prior of drifts is worth."""


def pooled_posterior(
    log_likelihood: SingleArray,
    priors: Sequence[FloatArray],
    strengths: Sequence[float],
    groups: IntArray,
) -> SingleArray:
    """Return every line's posterior over the grid, (n_lines, *factors), each summing to 1.

    Args:
        log_likelihood: (n_lines, *factors).
        priors: one distribution per factor.
        strengths: per factor, how many lines the prior is worth.
        groups: (n_lines,), 0-based channel.
    """
    n_groups = int(groups.max()) + 1
    population = [np.tile(prior, (n_groups, 1)) for prior in priors]
    posterior = np.empty_like(log_likelihood)
    _normalise(posterior, log_likelihood, population, groups)
    member = np.eye(n_groups)[groups].T
    for _ in range(EM_STEPS):
        for axis, (prior, strength) in enumerate(zip(priors, strengths, strict=True)):
            others = tuple(a + 1 for a in range(len(priors)) if a != axis)
            counts = member @ posterior.sum(axis=others, dtype=np.float64)
            # The portfolio is the channel's prior, the library the portfolio's.
            overall = (strength * prior + counts.sum(axis=0)) / (strength + len(groups))
            population[axis] = (strength * overall + counts) / (
                strength + member.sum(axis=1, keepdims=True)
            )
        _normalise(posterior, log_likelihood, population, groups)
    return posterior


def drift_population(drift: FloatArray, prior: FloatArray, groups: IntArray) -> FloatArray:
    """Return each line's prior over drifts, (n_lines, n_drifts): its channel's population.

    Args:
        drift: (n_lines, n_drifts), what each line shows, summing to 1.
        prior: (n_drifts,), the library's.
        groups: (n_lines,), 0-based channel.
    """
    member = np.eye(int(groups.max()) + 1)[groups].T
    overall = (DRIFT_STRENGTH * prior + drift.sum(axis=0)) / (DRIFT_STRENGTH + len(groups))
    table = (DRIFT_STRENGTH * overall + member @ drift) / (
        DRIFT_STRENGTH + member.sum(axis=1, keepdims=True)
    )
    return np.asarray(table[groups])


def _normalise(
    out: SingleArray,
    log_likelihood: SingleArray,
    population: Sequence[FloatArray],
    groups: IntArray,
) -> None:
    """Write every line's posterior under the population into `out`, the largest table there is."""
    np.copyto(out, log_likelihood)
    factors = log_likelihood.ndim - 1
    for axis, table in enumerate(population):
        shape = [len(groups), *([1] * factors)]
        shape[axis + 1] = table.shape[1]
        log_prior = np.log(np.maximum(table, 1e-12)).astype(np.float32)
        out += log_prior[groups].reshape(shape)
    flat = out.reshape(len(groups), -1)
    flat -= flat.max(axis=1, keepdims=True)
    np.exp(flat, out=flat)
    flat /= flat.sum(axis=1, keepdims=True)
