"""What an action earns in a segment: cell means, shrunk to one answer for all.

Reward of action a in segment s = level + segment + action + interaction, each normal around 0.
The spreads are learned with a prior that prefers no interaction: a segment gets its own best
action only where the log speaks against one action for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.bandits.offers.log import FOLDS, DecisionLog
from pipeline.core.types import FloatArray

ACTION_SD, INTERACTION_SD = 0.3, 0.15
"""Prior scale of the two spreads, relative to the mean reward: our judgement."""
_ACTION_GRID = (0.02, 0.07, 0.15, 0.3, 0.6, 1.2)
_INTERACTION_GRID = (0.0, 0.03, 0.08, 0.15, 0.3, 0.6)
_WIDE = 3.0  # sd of level and segment, relative: flat beside what data say
_LEAST_SD = 1e-4  # of a cell's mean, relative: no log, not one of equal rewards, is surer than that
_NEGLIGIBLE = 1e-4  # weight below which a pair of spreads is dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """The posterior given one pair of spreads.

    Attributes:
        effects, root: mean and root of the covariance of level, segments and actions.
        own: (n_segments, n_actions), share of a cell's miss that is its own; 0 where unseen.
        own_sd: what is left unknown of the interaction.
    """

    evidence: float
    interaction_sd: float
    effects: FloatArray
    root: FloatArray
    own: FloatArray
    own_sd: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardModel:
    """Posterior of the mean reward of every segment and action.

    Attributes:
        mean: (n_segments, n_actions), averaged over the spreads.
        seen: (n_segments, n_actions), mean reward in the log.
        nodes, weights: posterior given each pair of spreads, and how likely the pair is.
        interaction: posterior mean of the interaction's spread, relative to the mean reward.
    """

    mean: FloatArray
    seen: FloatArray
    nodes: tuple[_Node, ...]
    weights: FloatArray
    interaction: float

    def draws(self, rng: np.random.Generator, n_draws: int) -> FloatArray:
        """Return joint draws, (n_draws, n_segments, n_actions)."""
        counts = rng.multinomial(n_draws, self.weights)
        parts = []
        for node, count in zip(self.nodes, counts.tolist(), strict=True):
            effects = node.effects + rng.standard_normal((count, node.effects.size)) @ node.root.T
            common = _common(effects, self.mean.shape)
            noise = node.own_sd * rng.standard_normal((count, *self.mean.shape))
            parts.append(common + node.own * (self.seen - common) + noise)
        return np.concatenate(parts)


def fit_rewards(log: DecisionLog) -> RewardModel:
    """Return the posterior from a log; segments and actions without rows keep the prior.

    Source: Gaussian random effects in closed form, spreads averaged over a grid by marginal
    likelihood (Gelman and others, Bayesian Data Analysis, chapter 5).
    """
    count, total = log.cells(log.count), log.cells(log.reward)
    square = float(log.reward_sq.sum())
    level = float(total.sum() / max(count.sum(), 1.0))
    seen = np.divide(total, count, out=np.full(count.shape, level), where=count > 0)
    scale = max(abs(level), 1e-3 * np.sqrt(square / max(count.sum(), 1.0)), 1e-12)
    # One variance for all cells: a cell's own would be smallest where by chance nothing was earned,
    # and would pull every mean towards 0.
    within = square - float((count * seen**2).sum())
    noise = max(within / max(count.sum(), 1.0), 0.0)
    doubt = np.maximum(noise / np.maximum(count, 1e-12), (_LEAST_SD * scale) ** 2)
    nodes = [
        _node(count, seen, doubt, scale * action_sd, scale * interaction_sd, scale * _WIDE)
        for action_sd in _ACTION_GRID
        for interaction_sd in _INTERACTION_GRID
    ]
    wish = [
        (action_sd / ACTION_SD) ** 2 + (interaction_sd / INTERACTION_SD) ** 2
        for action_sd in _ACTION_GRID
        for interaction_sd in _INTERACTION_GRID
    ]
    logs = np.array([node.evidence for node in nodes]) - 0.5 * np.array(wish)
    weights = np.exp(logs - logs.max())
    kept = np.flatnonzero(weights > _NEGLIGIBLE * weights.sum())
    weights = weights[kept] / weights[kept].sum()
    chosen = tuple(nodes[index] for index in kept.tolist())
    means = [
        (common := _common(node.effects[None], count.shape)[0]) + node.own * (seen - common)
        for node in chosen
    ]
    return RewardModel(
        mean=np.asarray(np.tensordot(weights, np.stack(means), axes=1)),
        seen=seen,
        nodes=chosen,
        weights=weights,
        interaction=float(weights @ [node.interaction_sd for node in chosen]) / float(scale),
    )


def fold_models(log: DecisionLog) -> tuple[RewardModel, ...]:
    """Return one model per fold, fitted on everybody outside it."""
    return tuple(fit_rewards(log.rows(log.fold != fold)) for fold in range(FOLDS))


def _node(
    count: FloatArray,
    seen: FloatArray,
    doubt: FloatArray,
    action_sd: float,
    interaction_sd: float,
    wide: float,
) -> _Node:
    """Return the posterior given the spreads: few effects, then each cell on its own.

    Args:
        doubt: (n_segments, n_actions), variance of each cell's mean by the noise of its rewards.
    """
    n_segments, n_actions = count.shape
    has_rows = count > 0
    variance = interaction_sd**2 + doubt
    weight = np.where(has_rows, 1.0 / variance, 0.0)
    prior = np.concatenate([np.full(1 + n_segments, wide**-2), np.full(n_actions, action_sd**-2)])
    precision = np.diag(prior)
    precision[0, 0] += weight.sum()
    rows, columns = weight.sum(axis=1), weight.sum(axis=0)
    first, second = slice(1, 1 + n_segments), slice(1 + n_segments, None)
    precision[first, first] += np.diag(rows)
    precision[second, second] += np.diag(columns)
    precision[0, first] = precision[first, 0] = rows
    precision[0, second] = precision[second, 0] = columns
    precision[first, second] = weight
    precision[second, first] = weight.T
    # The level's prior lies around the log's mean, so that it does not matter how far that is
    # from 0.
    middle = float((weight * seen).sum() / max(weight.sum(), 1e-300))
    miss = weight * (seen - middle)
    pull = np.concatenate([[miss.sum()], miss.sum(axis=1), miss.sum(axis=0)])
    lower = np.linalg.cholesky(precision)
    inverse = np.linalg.inv(lower)
    effects = inverse.T @ (inverse @ pull)
    fit = float((miss * (seen - middle)).sum()) - float(pull @ effects)
    spread = np.log(variance[has_rows]).sum() - np.log(prior).sum()
    evidence = -0.5 * (spread + fit) - float(np.log(np.diag(lower)).sum())
    effects[0] += middle
    own = np.where(has_rows, interaction_sd**2 / variance, 0.0)
    return _Node(
        evidence=float(evidence),
        interaction_sd=interaction_sd,
        effects=effects,
        root=np.asarray(inverse.T, dtype=np.float64),
        own=own,
        own_sd=interaction_sd * np.sqrt(1 - own),
    )


def _common(effects: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return level + segment + action of each row of effects, (n, n_segments, n_actions)."""
    n_segments = shape[0]
    segment, action = effects[:, 1 : 1 + n_segments], effects[:, 1 + n_segments :]
    return np.asarray(effects[:, :1, None] + segment[:, :, None] + action[:, None, :])
