"""How much of the reachable gain each way to set a cadence captures, and what it risks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.simulation.cadence.loop import (
    Policy,
    best_arm,
    even,
    more_for_buyers,
    ours,
    play_cadence,
)
from pipeline.simulation.cadence.world import KINDS, make_cadence_world

POLICIES: Mapping[str, Policy] = {
    "ours": ours(),
    "more for buyers": more_for_buyers,
    "best arm": best_arm,
    "even": even,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CadenceScore:
    """One policy over the audiences of one kind.

    Attributes:
        captured: share of the way from standing still to the best cadence of every four weeks,
            of all audiences together.
        lift, worst_lift: net value over standing still, as a share of it: mean and least.
        raises: times a segment was raised. unsafe: of those, where one more touch truly makes more
            people leave than the guardrail allows.
    """

    kind: str
    policy: str
    worlds: int
    captured: float
    lift: float
    worst_lift: float
    raises: int
    unsafe: int


def score_kind(
    kind: str, seeds: Sequence[int], policies: Sequence[str] = tuple(POLICIES)
) -> list[CadenceScore]:
    """Return every policy's score over the audiences of a kind; each has its own chance."""
    out = []
    for name in policies:
        played = [
            play_cadence(
                make_cadence_world(KINDS[kind], np.random.default_rng([seed, 1])),
                POLICIES[name],
                np.random.default_rng([seed, 2]),
            )
            for seed in seeds
        ]
        gains = sum(float((run.value - run.still).sum()) for run in played)
        lifts = [run.lift for run in played]
        out.append(
            CadenceScore(
                kind=kind,
                policy=name,
                worlds=len(played),
                captured=gains / sum(run.scale for run in played),
                lift=float(np.mean(lifts)),
                worst_lift=min(lifts),
                raises=sum(run.raises for run in played),
                unsafe=sum(run.unsafe for run in played),
            )
        )
    return out
