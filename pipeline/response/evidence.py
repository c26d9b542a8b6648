"""How well every combination of the grid explains a line's days, in closed form.

One line's expected outcome, freed of demand, is `level * (1 - share + share * response_t)`:
`level` is today's outcome at the reference spend, `share` the part of it that spend causes. The
level may drift; seen backwards from today it is a random walk that starts at zero, which is what
makes old evidence on the level fade while short-term contrasts still teach the slope.

Given drift, retention, shape and share the model is linear in `level`, so its marginal likelihood
is exact. Mathematics: docs/model.md, "Evidence".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.core.types import FloatArray

DRIFTS = (0.0, 0.012, 0.04)
"""Standard deviation per day of a line's relative level, candidates."""

SHARES = np.linspace(0.02, 0.98, 13)
"""Share of the outcome at reference spend that spend causes, candidates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Log marginal likelihood and the level's posterior for every grid node of every line.

    Axes: (n_lines, n_drifts, n_retentions, n_shapes, n_shares).
    """

    log_likelihood: FloatArray
    level_mean: FloatArray
    level_sd: FloatArray


def evaluate(
    outcome: FloatArray,
    variance: FloatArray,
    responses: FloatArray,
    level_guess: FloatArray,
    *,
    scale_dof: float,
) -> Evidence:
    """Return the evidence on every grid node.

    Args:
        outcome: (n_days, n_lines), freed of demand and completeness, oldest first.
        variance: (n_days, n_lines), of the outcome around its mean; inf leaves the cell out.
        responses: (n_retentions, n_shapes, n_days, n_lines), 1 at the reference spend.
        level_guess: (n_lines,), > 0, what the level roughly is: scales drift and the weak prior.
        scale_dof: how many observations the given variances are worth; the rest is learned from
            the residuals, which makes the likelihood a Student t.
    """
    n_retentions, n_shapes, n_days, n_lines = responses.shape
    drift_variance = np.square(np.asarray(DRIFTS))[:, None] * np.square(level_guess)  # (Q, L)
    state_variance = np.zeros_like(drift_variance)
    known = np.isfinite(variance)
    shape = (len(DRIFTS), n_lines)
    grid = (len(DRIFTS), n_retentions, n_shapes, n_lines)
    m_z, m_1, m_h = np.zeros(shape), np.zeros(shape), np.zeros(grid)
    s11, s1z, szz, logdet = (np.zeros(shape) for _ in range(4))
    s1h, shh, shz = np.zeros(grid), np.zeros(grid), np.zeros(grid)
    for day in range(n_days - 1, -1, -1):
        state_variance = state_variance + drift_variance
        use = known[day]
        noise = np.where(use, variance[day], 1.0)
        total = state_variance + noise
        gain = np.where(use, state_variance / total, 0.0)
        weight = np.where(use, 1.0 / total, 0.0)
        e_z = np.where(use, outcome[day], 0.0) - m_z
        e_1 = 1.0 - m_1
        e_h = responses[None, :, :, day, :] - m_h
        m_z += gain * e_z
        m_1 += gain * e_1
        m_h += gain[:, None, None] * e_h
        state_variance = state_variance * (1 - gain)
        s11 += weight * e_1 * e_1
        s1z += weight * e_1 * e_z
        szz += weight * e_z * e_z
        logdet += np.where(use, np.log(total), 0.0)
        weighted = weight[:, None, None] * e_h
        s1h += weighted * e_1[:, None, None]
        shh += weighted * e_h
        shz += weighted * e_z[:, None, None]
    count = known.sum(axis=0).astype(float)
    return _over_shares(
        (s11, s1z, szz, logdet), (s1h, shh, shz), count, level_guess, scale_dof
    )


def _over_shares(
    flat: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    grid: tuple[FloatArray, FloatArray, FloatArray],
    count: FloatArray,
    level_guess: FloatArray,
    scale_dof: float,
) -> Evidence:
    """Return the evidence per share, from the sums that do not depend on it."""
    s11, s1z, szz, logdet = (item[:, None, None, :, None] for item in flat)
    s1h, shh, shz = (item[..., None] for item in grid)
    rest, share = 1 - SHARES, SHARES
    sxx = rest**2 * s11 + 2 * rest * share * s1h + share**2 * shh
    sxz = rest * s1z + share * shz
    guess = level_guess[:, None]
    prior_precision = 1.0 / np.square(0.5 * guess)  # the level is known to within half of itself
    precision = sxx + prior_precision
    mean = (sxz + prior_precision * guess) / precision
    misfit = szz + prior_precision * guess**2 - precision * mean**2
    misfit = np.maximum(misfit, 1e-9)
    dof = scale_dof + count[:, None]
    log_likelihood = -0.5 * (
        dof * np.log((scale_dof + misfit) / scale_dof)
        + logdet
        + np.log(precision / prior_precision)
    )
    spread = np.sqrt((scale_dof + misfit) / dof / precision)

    def lines_first(item: FloatArray) -> FloatArray:
        return np.ascontiguousarray(np.moveaxis(item, 3, 0))

    return Evidence(
        log_likelihood=lines_first(log_likelihood),
        level_mean=lines_first(mean),
        level_sd=lines_first(spread),
    )
