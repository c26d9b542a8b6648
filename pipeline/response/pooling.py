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
POOLED_LINES = 256  # at a time, so that their nodes stay in the cache
DRIFT_STRENGTH = 6.0
"""How many lines the prior of drifts is worth."""


def pooled_posterior(
    log_likelihood: SingleArray,
    priors: Sequence[FloatArray],
    strengths: Sequence[float],
    groups: IntArray,
) -> tuple[SingleArray, tuple[FloatArray, ...]]:
    """Return every line's posterior over the grid, and what each channel's lines are like.

    The posterior is (n_lines, *factors), each line summing to 1; the populations are one
    (n_channels, n_values) a factor, each row summing to 1.

    Args:
        log_likelihood: (n_lines, *factors).
        priors: one distribution per factor.
        strengths: per factor, how many lines the prior is worth.
        groups: (n_lines,), 0-based channel.
    """
    nodes = log_likelihood.shape[1:]
    flat = log_likelihood.reshape(len(groups), -1)
    member = np.eye(int(groups.max()) + 1, dtype=np.float32)[groups]
    population = [np.tile(prior, (member.shape[1], 1)) for prior in priors]
    size = member.sum(axis=0, dtype=np.float64)[:, None]
    for _ in range(EM_STEPS):
        counts = _counts(flat, population, groups, member).reshape(-1, *nodes)
        for axis, (prior, strength) in enumerate(zip(priors, strengths, strict=True)):
            others = tuple(a + 1 for a in range(len(priors)) if a != axis)
            count = counts.sum(axis=others)
            # The portfolio is the channel's prior, the library the portfolio's.
            overall = (strength * prior + count.sum(axis=0)) / (strength + len(groups))
            population[axis] = (strength * overall + count) / (strength + size)
    posterior = np.empty_like(flat)
    log_prior = _log_prior(population)
    for lines in _blocks(len(flat)):
        _normalise(flat[lines], log_prior, groups[lines], posterior[lines])
    return posterior.reshape(log_likelihood.shape), tuple(population)


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


def _counts(
    flat: SingleArray, population: Sequence[FloatArray], groups: IntArray, member: SingleArray
) -> FloatArray:
    """Return how many of each channel's lines are at each node, (n_channels, n_nodes)."""
    log_prior = _log_prior(population)
    out, scratch = np.zeros(log_prior.shape), np.empty((POOLED_LINES, flat.shape[1]), np.float32)
    for lines in _blocks(len(flat)):
        part = scratch[: len(groups[lines])]
        _normalise(flat[lines], log_prior, groups[lines], part)
        out += member[lines].T @ part
    return out


def _blocks(n_lines: int) -> list[slice]:
    return [slice(first, first + POOLED_LINES) for first in range(0, n_lines, POOLED_LINES)]


def _log_prior(population: Sequence[FloatArray]) -> SingleArray:
    """Return the log prior of every node, (n_channels, n_nodes): factors are independent."""
    out = np.zeros((len(population[0]), 1))
    for table in population:
        out = (out[:, :, None] + np.log(np.maximum(table, 1e-12))[:, None]).reshape(len(out), -1)
    return out.astype(np.float32)


def _normalise(
    log_likelihood: SingleArray, log_prior: SingleArray, groups: IntArray, out: SingleArray
) -> None:
    """Write every line's posterior under its channel's prior into `out`."""
    np.add(log_likelihood, log_prior[groups], out=out)
    out -= out.max(axis=1, keepdims=True)
    np.exp(out, out=out)
    out /= out.sum(axis=1, keepdims=True)
