"""What the lottery says, held against audiences whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from pipeline.cadence.evidence import read_lottery
from pipeline.cadence.lottery import lottery
from pipeline.cadence.score import realised
from pipeline.core.cadence_rules import Lottery
from pipeline.core.contacts import Contacts
from pipeline.simulation.cadence.loop import joined
from pipeline.simulation.cadence.world import (
    HIGHEST,
    KINDS,
    CadenceKind,
    CadenceWorld,
    make_cadence_world,
)

FIRST = date(2026, 1, 5)


def watched(kind: CadenceKind, seed: int, turns: int = 3) -> tuple[CadenceWorld, Contacts]:
    world = make_cadence_world(kind, np.random.default_rng([seed, 1]))
    rng = np.random.default_rng([seed, 2])
    shares = np.stack([lottery(2.0, HIGHEST, Lottery())] * world.people.size)
    return world, joined(
        [world.turn(shares, n, FIRST + timedelta(days=28 * n), rng) for n in range(turns)]
    )


def z_scores(kind: CadenceKind, seeds: int) -> np.ndarray:
    """Return how many standard errors each measured lift lies from the truth."""
    found = []
    for seed in range(seeds):
        world, seen = watched(kind, seed)
        evidence = read_lottery(seen, world.people)
        for test in evidence.tests:
            place = world.segments.index(test.lines[0])
            weeks = ((test.last_day - test.first_day).days + 1) / 7
            without = (test.spend_without or 0.0) / world.people[place] / weeks
            with_it = without + test.spend_change / world.people[place] / weeks
            doses = np.full(world.people.size, with_it), np.full(world.people.size, without)
            truth = [world.earned(dose, 0)[place] for dose in doses]
            expected = (truth[0] - truth[1]) * world.people[place] * weeks
            found.append((test.lift - expected) / test.standard_error)
    return np.array(found)


@pytest.mark.parametrize("lasting", [0.0, 4.0])
def test_a_dose_is_measured_without_bias_and_as_surely_as_is_said(lasting: float) -> None:
    kind = replace(KINDS["small"], lasting=lasting, season=0.0)
    z = z_scores(kind, 20)
    assert len(z) > 300  # of a segment's doses, only those with enough people
    assert abs(z.mean()) < 0.25
    assert 0.6 < z.std() < 1.2


def test_nothing_is_learned_of_people_whom_nobody_drew() -> None:
    world, seen = watched(replace(KINDS["large"], rest=0.5), 0)
    hidden = replace(seen, drawn={name: table * 0 for name, table in seen.drawn.items()})
    evidence = read_lottery(hidden, world.people)
    assert evidence.tests == ()
    assert not evidence.identified.any()
    assert evidence.weeks.sum() == 0


def test_few_buckets_or_few_people_are_no_comparison() -> None:
    world, seen = watched(KINDS["large"], 0)
    one = {name: table.sum(axis=3, keepdims=True) for name, table in seen.drawn.items()}
    assert read_lottery(replace(seen, drawn=one), world.people).tests == ()
    few = {name: table / 1e4 for name, table in seen.drawn.items()}
    assert read_lottery(replace(seen, drawn=few), world.people).tests == ()


def test_the_last_weeks_lift_over_the_holdout_is_the_truth_within_its_error() -> None:
    z = []
    for seed in range(15):
        world, seen = watched(KINDS["small"], seed)
        evidence = read_lottery(seen, world.people)
        back = realised(seen.part(len(seen.days) - 28, len(seen.days)), evidence.chance)
        shares = lottery(2.0, HIGHEST, Lottery())
        doses = np.arange(HIGHEST + 1.0)
        truth = world.earned_table(doses, 0)[:, 1:] @ (shares[1:] / shares[1:].sum())
        z.append((back.lift - truth) / back.standard_error)
    assert np.isfinite(z).mean() > 0.8
    assert abs(np.nanmean(z)) < 0.35
    assert 0.6 < np.nanstd(z) < 1.3
