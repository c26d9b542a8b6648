"""How much of the reachable gain each rotation policy captures, and whom it retires wrongly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.simulation.creatives import (
    KINDS,
    CreativeWorld,
    Played,
    Policy,
    epsilon_greedy,
    even_split,
    make_world,
    ours,
    play,
    thompson,
    true_rates,
    winner_after_test,
)

NEARLY = 0.9  # of the best rate: taking such a creative out costs little

Maker = Callable[[CreativeWorld, int], Policy]

POLICIES: Mapping[str, Maker] = {
    "ours": lambda world, seed: ours(),
    "thompson": lambda world, seed: thompson(np.random.default_rng([3, seed]), draws=500),
    "epsilon-greedy": lambda world, seed: epsilon_greedy(),
    "winner after test": lambda world, seed: winner_after_test(max(2, len(world.logit) // 4)),
    "even split": lambda world, seed: even_split,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationScore:
    """One policy over the worlds of one kind.

    Attributes:
        captured: share of the way from an even split to the best creative of every day, of all
            worlds together.
        lift: what it earned over an even split all along, as a share; where creatives wear, this
            alone compares policies, since what can be reached depends on what was shown before.
        losing: share of worlds in which it earned less than an even split.
        retired: creatives taken out for good.
        best_retired, nearly_best_retired: of those, the ones that were the best, or nearly.
    """

    kind: str
    policy: str
    worlds: int
    captured: float
    lift: float
    losing: float
    retired: int
    best_retired: int
    nearly_best_retired: int


def score_kind(
    kind: str, seeds: Sequence[int], policies: Sequence[str] = tuple(POLICIES)
) -> list[RotationScore]:
    """Return every policy's score over the worlds of a kind."""
    worlds = [make_world(KINDS[kind], np.random.default_rng([1, seed])) for seed in seeds]
    return [score_worlds(kind, worlds, seeds, name) for name in policies]


def score_worlds(
    kind: str, worlds: Sequence[CreativeWorld], seeds: Sequence[int], policy: str
) -> RotationScore:
    """Return one policy's score over given worlds; each world has its own chance."""
    gains, gaps, out = [], [], np.zeros(3, dtype=int)
    earned = evenly = 0.0
    for world, seed in zip(worlds, seeds, strict=True):
        played = play(world, POLICIES[policy](world, seed), np.random.default_rng([2, seed]))
        evenly += float(play(world, even_split, np.random.default_rng([2, seed])).value.sum())
        earned += float(played.value.sum())
        gains.append(float((played.value - played.even).sum()))
        gaps.append(float((played.oracle - played.even).sum()))
        out += _retired(world, played)
    return RotationScore(
        kind=kind,
        policy=policy,
        worlds=len(worlds),
        captured=sum(gains) / sum(gaps) if sum(gaps) > 0 else 0.0,
        lift=earned / evenly - 1,
        losing=float(np.mean(np.array(gains) < -1e-9)),
        retired=int(out[0]),
        best_retired=int(out[1]),
        nearly_best_retired=int(out[2]),
    )


def _retired(world: CreativeWorld, played: Played) -> np.ndarray:
    """Return how many creatives were taken out, and how many of them were best or nearly."""
    gone = (played.shares[:-1] > 0) & (played.shares[1:] == 0) & world.is_there[1:]
    counts = np.zeros(3, dtype=int)
    for day, audience, creative in np.argwhere(gone):
        if played.shares[day + 1 :, audience, creative].any():
            continue
        rate = true_rates(world, played, int(day) + 1)[audience]
        best = np.where(world.is_there[day + 1, audience], rate, 0.0).max()
        counts += np.array([1, rate[creative] >= best, rate[creative] >= NEARLY * best], dtype=int)
    return counts
