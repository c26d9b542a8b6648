"""Sixty nights that look at a log again and again: what they propose for nothing, what they find.

Every look learns its candidates anew from the log so far. Nothing is ever signed, so the log goes
on being an even split's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.bandits.offers.decide import Choice, Setting, decide_offers
from pipeline.bandits.offers.log import BUCKETS, DecisionLog
from pipeline.core.offer_rules import WEEK
from pipeline.simulation.offers import KINDS, LOOKS, OfferWorld, joined, make_offer_world

NIGHTS = 60
_KEYS = ("context", "action", "propensity", "bucket")
_SUMS = ("count", "reward", "reward_sq", "rewarded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What the nights of some markets came to.

    Attributes:
        erred: share of markets in which any night proposed what is truly no better, or treated
            segments differently where one answer for all is as good.
        found: share of markets in which a night proposed what truly earns more.
        night: the median of the nights that did so first; nan where none did.
    """

    markets: int
    erred: float
    found: float
    night: float


def look_again(kind: str, seeds: Sequence[int], *, every: int = WEEK, looks: int = LOOKS) -> Looked:
    """Return what nights propose that look every so many days.

    Args:
        looks: that share the error.
    """
    played = [_sixty_nights(kind, seed, every, looks) for seed in seeds]
    nights = [night for _, night in played if night]
    return Looked(
        markets=len(played),
        erred=float(np.mean([erred for erred, _ in played])),
        found=len(nights) / len(played),
        night=float(np.median(nights)) if nights else float("nan"),
    )


def _sixty_nights(kind: str, seed: int, every: int, looks: int) -> tuple[bool, int]:
    """Return whether anything needless was proposed, and the first night of a true gain, or 0."""
    rng = np.random.default_rng([1, seed])
    daily = replace(KINDS[kind], decisions=KINDS[kind].decisions // WEEK)
    world = make_offer_world(daily, rng)
    eligible = world.contexts.eligible
    even = eligible / eligible.sum(axis=1, keepdims=True)
    setting = Setting(
        contexts=world.contexts,
        offered=np.ones(eligible.shape[1], dtype=bool),
        in_force=even,
        looks=looks,
    )
    log: DecisionLog | None = None
    erred, found = False, 0
    for night in range(1, NIGHTS + 1):
        today = world.week(even, rng)
        log = added_up(today if log is None else joined(log, today))
        if night % every:
            continue
        # A night draws with the same seed every time; so does this.
        decided = decide_offers(log, setting, np.random.default_rng(seed))
        if decided.shares is None:
            continue
        gains = world.value(decided.shares) > world.value(even) * (1 + 1e-9)
        erred |= not gains or _is_needless(decided.choice, world)
        found = found or night * gains
    return erred, found


def _is_needless(choice: Choice, world: OfferWorld) -> bool:
    return choice is Choice.PERSONAL and world.recipe.own_sd == 0


def added_up(log: DecisionLog) -> DecisionLog:
    """Return the log with one row per context, action, propensity and bucket."""
    sizes = log.contexts.size, len(log.contexts.actions), BUCKETS
    cell = np.ravel_multi_index((log.context, log.action, log.bucket), sizes)
    odds, which = np.unique(log.propensity, return_inverse=True)
    key = cell * odds.size + which
    _, first, row = np.unique(key, return_index=True, return_inverse=True)
    sums: dict[str, Any] = {
        name: np.asarray(np.bincount(row, weights=getattr(log, name))) for name in _SUMS
    }
    return replace(log, **{name: getattr(log, name)[first] for name in _KEYS}, **sums)
