"""Audiences whose answer to touches is known: the cadence captures the gain and does no harm."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli.app import build_app
from pipeline.simulation.cadence.loop import even, play_cadence
from pipeline.simulation.cadence.scores import score_kind
from pipeline.simulation.cadence.world import KINDS, make_cadence_world


def test_standing_still_captures_nothing_and_one_who_knows_everything() -> None:
    world = make_cadence_world(KINDS["small"], np.random.default_rng(3))
    turns = iter(range(2, world.kind.turns))

    def oracle(world, seen, now, day):
        return world.best(next(turns))

    assert play_cadence(world, even, np.random.default_rng(1)).captured == pytest.approx(0)
    assert play_cadence(world, oracle, np.random.default_rng(1)).captured == pytest.approx(1)


def test_as_many_segments_as_doses_are_told_apart() -> None:
    """A table of five segments by five doses is no list of five doses."""
    world = make_cadence_world(replace(KINDS["large"], segments=5), np.random.default_rng(2))
    table = world.earned_table(np.arange(5.0), 0)
    for place in range(5):
        assert table[place] == pytest.approx(
            world.worth[place] * (1 - np.exp(-world.bend[place] * np.arange(5)))
        )


def test_no_other_cadence_inside_the_capacity_is_worth_more_than_the_best() -> None:
    rng = np.random.default_rng(5)
    for seed in range(5):
        world = make_cadence_world(KINDS["large"], np.random.default_rng(seed))
        best = world.best(0)
        assert best @ world.people <= world.capacity * (1 + 1e-9)
        for _ in range(200):
            other = rng.uniform(0, 4, best.size)
            other *= min(1.0, world.capacity / float(other @ world.people))
            assert world.total(other, 0) <= world.total(best, 0) + 1e-3 * world.people.sum()


@pytest.mark.parametrize(
    ("kind", "least", "worst"), [("large", 0.5, -0.01), ("small", 0.2, -0.01), ("null", 0.7, 0.5)]
)
def test_the_cadence_captures_and_does_not_lose(kind: str, least: float, worst: float) -> None:
    (ours,) = score_kind(kind, range(1000, 1003), ["ours"])
    assert ours.captured >= least
    assert ours.worst_lift >= worst
    assert ours.unsafe == 0


def test_where_touches_drive_people_away_they_stop() -> None:
    (ours,) = score_kind("harmful", range(1000, 1003), ["ours"])
    assert ours.captured > 0.95
    assert ours.raises == 0


def test_the_command_plays_audiences() -> None:
    done = CliRunner().invoke(
        build_app(),
        ["simulate", "--decision", "cadence", "--kinds", "harmful", "--seeds", "1", "--json"],
    )
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["summary"]
    assert {row["policy"] for row in rows} == {"ours", "more for buyers", "best arm", "even"}
