"""What lines have in common: how steep they are, how money returns, and what is learned from it.

Two facts hold over portfolios. Lines' elasticities of the whole outcome scatter around a common
one, in logs. And people have already moved money to where it seemed to work, so a line whose money
returns much on average has, in part, not a better margin but a larger organic outcome or a flatter
curve: its elasticity is lower. How much lower, the tilt, is learned with the rest. Mathematics:
docs/model.md, "Population".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.special import logsumexp

from pipeline.core.types import FloatArray, IntArray, RealArray, SingleArray
from pipeline.response.evidence import Evidence
from pipeline.response.grid import Grid
from pipeline.response.pooling import pooled_posterior
from pipeline.response.slope import SLOPE_SPREAD

ELASTICITY, ELASTICITY_SD = 0.25, 0.12  # of the whole outcome, over portfolios: a wide prior
LEAST_ELASTICITY = 0.02  # spend that went against outcomes does not make money harmful
LOG_SPREAD = 0.8  # of lines' elasticities around the portfolio's, in logs
TILTS = np.linspace(0.0, 1.0, 6)
TILT, TILT_SD = 0.5, 0.3  # half of what sets lines' average returns apart is not their margin

ERRORS, ERROR_WEIGHTS = np.array([-1.0, 0.0, 1.0]) * 3**0.5, np.array([1.0, 4.0, 1.0]) / 6
"""Of the common elasticity: three points that have a normal error's first five moments."""

WANTED = np.arange(-7.0, 2.5, 0.1)
"""Log elasticities that a line may be thought to have; what lies between is interpolated."""

TINY = 1e-37
UNHEARD = 0.01  # of what a line knows on average: less is nothing

POOLED_LINES = 256  # at a time, so that what is needed in between stays in the cache

STRENGTHS = (2.0, 30.0, 30.0)
"""How many lines the prior of retention, shape and share is worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonElasticity:
    """The lines' mean elasticity of the whole outcome.

    Attributes:
        mean, error: of it, a standard deviation.
        share: (n_lines,), each line's of all that outcomes tell, summing to 1.
    """

    mean: float
    error: float
    share: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """What lines have in common, as hypotheses of which one holds for all lines at once.

    What is not known of the population is an error that all lines share. Draws that gave every line
    a population of its own would average it away, and call a plan sure that is not.

    Attributes:
        grid: on which lines are known.
        weight: (n_hypotheses,), how likely each is given all lines, summing to 1.
        centre: (n_hypotheses,), log elasticity of a line whose money returns what is usual.
        tilt: (n_hypotheses,), how much lower it is the more money returns.
        returned: (n_lines,), from `relative_return`.
        others: (n_lines, n_hypotheses), how likely each is given all other lines.
        channel: (n_lines,), of each line.
        shapes, shares: (n_channels, n_values), what a channel's lines are like beside that.
    """

    grid: Grid
    weight: FloatArray
    centre: FloatArray
    tilt: FloatArray
    returned: FloatArray
    others: SingleArray
    channel: IntArray
    shapes: FloatArray
    shares: FloatArray

    def draw(self, rng: np.random.Generator, n_draws: int) -> IntArray:
        """Return hypotheses in proportion to their weight, (n_draws,)."""
        return stratified(self.weight, rng, n_draws)

    def given(self, line: int, weights: SingleArray) -> FloatArray:
        """Return a line's posterior over shapes and shares under every hypothesis.

        Args:
            weights: (n_retentions, n_shapes, n_shares), the line's posterior under all of them.

        Returns:
            (n_hypotheses, n_shapes * n_shares), each summing to 1.
        """
        each = self.prior(line)
        known = weights.sum(axis=0, dtype=np.float64).reshape(-1)
        table = each * (known / np.maximum(self.others[line] @ each, TINY))
        return np.asarray(table / table.sum(axis=1, keepdims=True))

    def prior(self, line: int) -> FloatArray:
        """Return a line's prior of shapes and shares, (n_hypotheses, n_shapes * n_shares)."""
        kernel = prior_of(self.grid)
        below, part = self._places(slice(line, line + 1))
        part = part[0, :, None]
        return np.asarray((1 - part) * kernel[below[0]] + part * kernel[below[0] + 1])

    def told(self, likelihood: SingleArray, lines: slice) -> SingleArray:
        """Return the log likelihood of every hypothesis, (n_lines, n_hypotheses).

        Args:
            likelihood: (n_lines, n_shapes * n_shares), of every node, in logs.
        """
        top = likelihood.max(axis=1, keepdims=True)
        table = np.exp(likelihood - top) @ prior_of(self.grid).T
        below, part = self._places(lines)
        row = np.arange(len(table))[:, None]
        found = (1 - part) * table[row, below] + part * table[row, below + 1]
        return np.asarray(np.log(np.maximum(found, TINY)) + top, dtype=np.float32)

    def mixed(self, lines: slice) -> SingleArray:
        """Return the log prior of nodes given all other lines, (n_lines, n_shapes * n_shares)."""
        below, part = self._places(lines)
        others = self.others[lines]
        over = np.zeros((len(others), WANTED.size), dtype=np.float32)
        row = np.arange(len(others))
        for one in range(self.weight.size):
            over[row, below[:, one]] += others[:, one] * (1 - part[:, one])
            over[row, below[:, one] + 1] += others[:, one] * part[:, one]
        return np.asarray(np.log(np.maximum(over @ prior_of(self.grid), TINY)))

    def before(self, lines: slice) -> SingleArray:
        """Return what is known of lines before their own days, (n_lines, n_shapes, n_shares).

        All that the fit had: what other lines say of elasticities, and of the channel's curves.
        """
        base = self.grid.shape_prior[:, None] * self.grid.share_prior
        channel = self.channel[lines]
        alike = self.shapes[channel][:, :, None] * self.shares[channel][:, None] / base
        table = np.exp(self.mixed(lines)).reshape(alike.shape) * alike
        return np.asarray(table / table.sum(axis=(1, 2), keepdims=True))

    def _places(self, lines: slice) -> tuple[IntArray, SingleArray]:
        """Return where wanted elasticities lie: the one of `WANTED` below, and how far beyond."""
        wanted = self.centre - self.tilt * self.returned[lines, None]
        place = np.clip((wanted - WANTED[0]) / (WANTED[1] - WANTED[0]), 0.0, WANTED.size - 1.001)
        below = place.astype(np.int64)
        return below, np.asarray(place - below, dtype=np.float32)


@lru_cache(maxsize=4)
def prior_of(grid: Grid) -> SingleArray:
    """Return the prior of a line's nodes for each of `WANTED`, (n_wanted, n_shapes * n_shares)."""
    base = np.outer(grid.shape_prior, grid.share_prior).reshape(-1)
    away = (np.log(grid.elasticity).reshape(-1) - WANTED[:, None]) / LOG_SPREAD
    density = base * np.exp(-0.5 * np.square(away))
    return np.asarray(density / density.sum(axis=1, keepdims=True), dtype=np.float32)


def stratified(weights: RealArray, rng: np.random.Generator, n_draws: int) -> IntArray:
    """Return indices in proportion to their weight, each as often as it should, (n_draws,)."""
    cumulative = np.cumsum(weights, dtype=np.float64)
    points = (np.arange(n_draws) + rng.random(n_draws)) / n_draws * cumulative[-1]
    found = np.searchsorted(cumulative, points).clip(max=cumulative.size - 1)
    return np.asarray(rng.permutation(found), dtype=np.int64)


def relative_return(outcome: FloatArray, spend: FloatArray) -> FloatArray:
    """Return log of outcome per money over its typical value, (n_lines,)."""
    logs = np.log(outcome / spend)
    return np.asarray(np.clip(logs - np.median(logs), -2.5, 2.5))


def pool_lines(
    grid: Grid,
    evidence: Evidence,
    groups: IntArray,
    common: CommonElasticity,
    returned: FloatArray,
) -> tuple[SingleArray, Population]:
    """Return every line's posterior over the grid, each summing to 1, and what lines share.

    Args:
        grid: of the evidence.
        evidence: of every node.
        groups: (n_lines,), channel.
        common: elasticity of these lines.
        returned: (n_lines,), from `relative_return`.
    """
    joint = evidence.log_likelihood.copy()
    timing = np.log(grid.retention_prior).astype(np.float32)[:, None, None]
    population = _hypotheses(grid, common, returned)
    blocks = [slice(first, first + POOLED_LINES) for first in range(0, len(joint), POOLED_LINES)]
    told = population.others
    for block in blocks:
        likelihood = _over_retentions(joint[block] + timing)
        told[block] = population.told(likelihood.reshape(len(likelihood), -1), block)
    support = np.log(population.weight) + told.sum(axis=0, dtype=np.float64)
    told -= told.max(axis=1, keepdims=True)  # sums over all lines have too many digits for it
    # A line is told what the population is by the others only: its own days would count twice.
    np.subtract(support - support.max(), told, out=told)
    told -= told.max(axis=1, keepdims=True)
    np.exp(told, out=told)
    told /= told.sum(axis=1, keepdims=True)
    population = replace(population, weight=np.exp(support - logsumexp(support)))
    base = np.log(np.outer(grid.shape_prior, grid.share_prior)).astype(np.float32)
    for block in blocks:
        prior = population.mixed(block).reshape(-1, *base.shape)
        joint[block] += (prior - base)[:, None]
    priors = [grid.retention_prior, grid.shape_prior, grid.share_prior]
    weights, (_, shapes, shares) = pooled_posterior(joint, priors, STRENGTHS, groups)
    return weights, replace(population, channel=groups, shapes=shapes, shares=shares)


def _hypotheses(grid: Grid, common: CommonElasticity, returned: FloatArray) -> Population:
    """Return the hypotheses as likely as they are before any line is seen; `others` is empty."""
    error, tilt = (table.reshape(-1) for table in np.meshgrid(ERRORS, TILTS, indexing="ij"))
    weight = np.repeat(ERROR_WEIGHTS, TILTS.size) * np.exp(
        -0.5 * np.square((tilt - TILT) / TILT_SD)
    )
    # Logs scatter around the median, which lies below the mean that is known.
    heard = returned[common.share * returned.size > UNHEARD]  # the lines whose mean it is
    below = 0.5 * LOG_SPREAD**2 + np.log(np.exp(-np.outer(heard, TILTS)).mean(axis=0))
    variance = np.log1p(np.square(common.error / common.mean))
    return Population(
        grid=grid,
        weight=weight / weight.sum(),
        centre=np.log(common.mean)
        - np.tile(below, ERRORS.size)
        + error * np.sqrt(variance)
        - 0.5 * variance,
        tilt=tilt,
        returned=returned,
        others=np.empty((returned.size, tilt.size), dtype=np.float32),
        channel=np.zeros(returned.size, dtype=np.int64),
        shapes=grid.shape_prior[None],
        shares=grid.share_prior[None],
    )


def _over_retentions(table: SingleArray) -> SingleArray:
    """Return the log of the sum of exponentials over the second axis; the table is used up."""
    top = table.max(axis=1, keepdims=True)
    table -= top
    total = np.log(np.exp(table, out=table).sum(axis=1, keepdims=True))
    total += top
    return np.asarray(total.squeeze(1))


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


def common_elasticity(
    mean: float, precision: float, relative_variance: FloatArray
) -> CommonElasticity:
    """Return the lines' mean elasticity given what they tell of it and what is usual.

    Args:
        mean, precision: from `mean_slope`.
        relative_variance: (n_days, n_lines), of outcomes; inf leaves a cell out.
    """
    known = np.where(np.isfinite(relative_variance), 1.0 / relative_variance, 0.0)
    known = known.sum(axis=0) + 1e-9  # where nothing is known, lines are alike
    before = 1.0 / ELASTICITY_SD**2
    mean = (precision * mean + before * ELASTICITY) / (precision + before)
    return CommonElasticity(
        mean=max(mean, LEAST_ELASTICITY),
        error=float((precision + before) ** -0.5),
        share=known / known.sum(),
    )
