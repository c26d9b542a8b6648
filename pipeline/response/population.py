"""What lines have in common: how steep they are, how money returns, and what is learned from it.

Two facts hold over portfolios. Lines' elasticities of the whole outcome scatter around a common
one, in logs. And people have already moved money to where it seemed to work, so a line whose money
returns much on average has, in part, not a better margin but a larger organic outcome or a flatter
curve: its elasticity is lower. How much lower, the tilt, is learned with the rest. Mathematics:
docs/model.md, "Population".
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from pipeline.core.types import FloatArray, IntArray, RealArray, SingleArray
from pipeline.response.evidence import Evidence
from pipeline.response.grid import Grid
from pipeline.response.pooling import pooled_posterior

ELASTICITY, ELASTICITY_SD = 0.25, 0.12  # of the whole outcome, over portfolios: a wide prior
LEAST_ELASTICITY = 0.02  # spend that went against outcomes does not make money harmful
LOG_SPREAD = 0.8  # of lines' elasticities around the portfolio's, in logs
TILTS = np.linspace(0.0, 1.0, 6)
TILT, TILT_SD = 0.5, 0.3  # half of what sets lines' average returns apart is not their margin
SLOPE_SPREAD = 0.15  # how far lines' elasticities of the whole outcome lie apart

POOLED_LINES = 256  # at a time, so that what is needed in between stays in the cache

STRENGTHS = (2.0, 30.0, 30.0)
"""How many lines the prior of retention, shape and share is worth."""


def relative_return(outcome: FloatArray, spend: FloatArray) -> FloatArray:
    """Return log of outcome per money over its typical value, (n_lines,)."""
    logs = np.log(outcome / spend)
    return np.asarray(np.clip(logs - np.median(logs), -2.5, 2.5))


def pool_lines(
    grid: Grid,
    evidence: Evidence,
    groups: IntArray,
    centre: float,
    centre_sd: float,
    returned: FloatArray,
) -> SingleArray:
    """Return every line's posterior over the grid, each summing to 1.

    Args:
        grid: of the evidence.
        evidence: of every node.
        groups: (n_lines,), channel.
        centre, centre_sd: the lines' common elasticity and its error.
        returned: (n_lines,), from `relative_return`.
    """
    spread = LOG_SPREAD**2 + (centre_sd / centre) ** 2
    base = np.log(np.outer(grid.shape_prior, grid.share_prior)).astype(np.float32)
    timing = np.log(grid.retention_prior).astype(np.float32)[:, None, None]
    joint = evidence.log_likelihood.copy()
    steep = np.log(grid.elasticity).astype(np.float32)
    wanted = (np.log(centre) - TILTS[:, None] * returned).astype(np.float32)
    blocks = [slice(first, first + POOLED_LINES) for first in range(0, len(joint), POOLED_LINES)]

    def terms(block: slice) -> SingleArray:
        """Return the log prior of every tilt, line, shape and share."""
        term = np.square(steep - wanted[:, block, None, None])
        term *= np.float32(-0.5 / spread)
        term -= _log_sum(base + term, (2, 3), keepdims=True)
        return np.asarray(term)

    support = -0.5 * np.square((TILTS - TILT) / TILT_SD)
    for block in blocks:
        likelihood = _log_sum(joint[block] + timing, (1,)) + base
        told = _log_sum(likelihood + terms(block), (2, 3))
        support += told.sum(axis=1, dtype=np.float64)
    support -= logsumexp(support)
    weight = support.astype(np.float32)[:, None, None, None]
    for block in blocks:
        joint[block] += _log_sum(terms(block) + weight, (0,))[:, None]
    priors = [grid.retention_prior, grid.shape_prior, grid.share_prior]
    return pooled_posterior(joint, priors, STRENGTHS, groups)


def _log_sum(table: SingleArray, axes: tuple[int, ...], *, keepdims: bool = False) -> SingleArray:
    """Return the log of the sum of exponentials; the table is used up."""
    top = table.max(axis=axes, keepdims=True)
    table -= top
    total = np.log(np.exp(table, out=table).sum(axis=axes, keepdims=True))
    total += top
    return np.asarray(total if keepdims else total.squeeze(axes))


def common_movement(
    movement: RealArray, relative_variance: FloatArray, slope_sd: float
) -> FloatArray:
    """Return the movement that may still be demand, (n_days,), times its sd.

    The day effects rest on the other lines' slopes; what those may be wrong by, together, looks
    like a slope on the lines' common movement.
    """
    weight = np.where(np.isfinite(relative_variance), 1.0 / relative_variance, 0.0)
    weight = weight.sum(axis=0)
    weight = (weight + 1e-9) / (weight + 1e-9).sum()
    spread = np.sqrt(slope_sd**2 + SLOPE_SPREAD**2 * float(np.square(weight).sum()))
    common = movement @ weight
    return np.asarray(spread * (common - common.mean()))


def common_elasticity(current: float, slope: float, error: float) -> tuple[float, float, float]:
    """Return the lines' mean elasticity, the shared slope that it implies, and their error."""
    precision = 1.0 / error**2 + 1.0 / ELASTICITY_SD**2
    centre = ((current + slope) / error**2 + ELASTICITY / ELASTICITY_SD**2) / precision
    centre = max(centre, LEAST_ELASTICITY)
    return centre, centre - current, float(1.0 / np.sqrt(precision))


def mean_elasticity(
    grid: Grid, weights: SingleArray, relative_variance: FloatArray, movement: RealArray
) -> float:
    """Return the mean elasticity of the whole outcome, lines weighed by what they can tell."""
    line = np.einsum("lrsk,sk->l", weights, grid.elasticity)
    precision = np.where(np.isfinite(relative_variance), 1.0 / relative_variance, 0.0)
    information = (precision * np.square(movement - movement.mean(axis=0))).sum(axis=0) + 1e-9
    return float((information * line).sum() / information.sum())
