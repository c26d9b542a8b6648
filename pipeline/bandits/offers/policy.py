"""Shares over eligible actions: from what is known to what is done, never below the floor."""

from __future__ import annotations

import numpy as np

from pipeline.bandits.offers.log import Contexts
from pipeline.core.types import FloatArray

SHARPNESS = 2.0
"""Power to which the chance of being best is taken: above 1 earns more than plain Thompson."""

FLOOR, FLOOR_TOTAL, FLOOR_MOST = 0.02, 0.10, 0.30
"""An action's least share, but all of them together at least and at most so much."""

DRAWS = 2000


def floors_of(contexts: Contexts) -> FloatArray:
    """Return the least share of every context's actions, (n_contexts, n_actions).

    It is what keeps tomorrow's log fit to learn from; 0 where an action is not eligible.
    """
    number = contexts.eligible.sum(axis=1, keepdims=True)
    least = np.minimum(np.maximum(FLOOR, FLOOR_TOTAL / number), FLOOR_MOST / number)
    return np.asarray(np.where(contexts.eligible, least, 0.0))


def best_shares(contexts: Contexts, floors: FloatArray, draws: FloatArray) -> FloatArray:
    """Return sharpened Thompson shares per context, (n_contexts, n_actions).

    Args:
        floors: (n_contexts, n_actions).
        draws: (n_draws, n_segments, n_actions), of the mean reward.
    """
    weights = np.zeros(contexts.eligible.shape)
    for index, segment in enumerate(contexts.segment.tolist()):
        allowed = np.where(contexts.eligible[index], draws[:, segment, :], -np.inf)
        chance = np.bincount(allowed.argmax(axis=1), minlength=len(contexts.actions))
        weights[index] = (chance / draws.shape[0]) ** SHARPNESS
    return above_floors(floors, weights)


def above_floors(floors: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the floors with the rest of the share split by weight."""
    rest = 1.0 - floors.sum(axis=1, keepdims=True)
    return np.asarray(floors + rest * weights / weights.sum(axis=1, keepdims=True))


def for_all(draws: FloatArray, people: FloatArray) -> FloatArray:
    """Return draws in which every segment has the rewards of the average person.

    Args:
        draws: (n_draws, n_segments, n_actions).
        people: (n_segments,), how many each segment has.
    """
    average = np.einsum("dsa,s->da", draws, people / people.sum())
    return np.repeat(average[:, None, :], draws.shape[1], axis=1)
