"""Shares over eligible actions: from what is known to what is done, never below the floor."""

from __future__ import annotations

import numpy as np

from pipeline.bandits.offers.log import Contexts
from pipeline.core.types import BoolArray, FloatArray

SHARPNESS = 2.0
"""Power to which the chance of being best is taken: above 1 earns more than plain Thompson."""

FLOOR, FLOOR_TOTAL, FLOOR_MOST = 0.02, 0.10, 0.30
"""An action's least share, but all of them together at least and at most so much."""

DRAWS = 2000


def floors_of(contexts: Contexts, floor: float = FLOOR, *, most: float = FLOOR_MOST) -> FloatArray:
    """Return the least share of every context's actions, (n_contexts, n_actions).

    It is what keeps tomorrow's log fit to learn from; 0 where an action is not eligible.

    Args:
        most: of all floors of a context together.
    """
    number = contexts.eligible.sum(axis=1, keepdims=True)
    least = np.minimum(np.maximum(floor, FLOOR_TOTAL / number), most / number)
    return np.asarray(np.where(contexts.eligible, least, 0.0))


def raised_to(floors: FloatArray, shares: FloatArray) -> FloatArray:
    """Return the shares with every one below its floor raised to it, the others scaled down.

    Shares that keep the floors stay as they are. A context whose shares are all 0 is split evenly.

    Args:
        floors, shares: (n_contexts, n_actions); shares add up to 1 or are all 0.
    """
    out = np.where(shares.sum(axis=1, keepdims=True) > 0, shares, (floors > 0).astype(float))
    out = out / out.sum(axis=1, keepdims=True)
    at_floor = floors > out
    while True:
        free = np.where(at_floor, 0.0, out)
        left = 1.0 - np.where(at_floor, floors, 0.0).sum(axis=1, keepdims=True)
        scaled = free * left / np.maximum(free.sum(axis=1, keepdims=True), 1e-300)
        again = at_floor | (scaled < floors)
        if (again == at_floor).all():
            return np.asarray(np.where(at_floor, floors, scaled))
        at_floor = again


def best_shares(
    contexts: Contexts, floors: FloatArray, draws: FloatArray, known: BoolArray
) -> FloatArray:
    """Return sharpened Thompson shares per context, (n_contexts, n_actions).

    An action that the log has not seen in a segment gets its floor there, however good it might
    be; a segment without any decision takes what was seen elsewhere.

    Args:
        floors: (n_contexts, n_actions).
        draws: (n_draws, n_segments, n_actions), of the mean reward.
        known: (n_segments, n_actions), what the log has seen.
    """
    weights = np.zeros(contexts.eligible.shape)
    for index, segment in enumerate(contexts.segment.tolist()):
        may = contexts.eligible[index] & known[segment]
        if not may.any():
            may = contexts.eligible[index] & known.any(axis=0)
        if not may.any():
            weights[index] = contexts.eligible[index]
            continue
        allowed = np.where(may, draws[:, segment, :], -np.inf)
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
