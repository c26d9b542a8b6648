"""Markets of creatives: the rotation captures the gain, and what rivals do is what is said."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli.app import build_app
from pipeline.simulation.creatives import KINDS, even_split, make_world, play
from pipeline.simulation.rotation_scores import score_kind, score_worlds


def test_an_even_split_captures_nothing_and_one_who_knows_everything() -> None:
    world = make_world(KINDS["week"], np.random.default_rng(1))
    best = world.logit[0, 0].argmax()

    def oracle(seen, in_force, there, day):
        return np.eye(there.shape[1])[[best]]

    assert play(world, even_split, np.random.default_rng(2)).captured == pytest.approx(0)
    first = 1 / KINDS["week"].nights  # nobody knows anything on the first night
    captured = play(world, oracle, np.random.default_rng(2)).captured
    assert captured == pytest.approx(1 - first, abs=0.05)


def test_the_same_seed_plays_the_same_market() -> None:
    once, again = (score_kind("newcomer", range(2), ["ours"]) for _ in range(2))
    assert once == again


@pytest.mark.parametrize(("kind", "least"), [("week", 0.60), ("month", 0.80), ("newcomer", 0.75)])
def test_the_rotation_captures_what_the_best_published_rules_do(kind: str, least: float) -> None:
    (ours,) = score_kind(kind, range(1000, 1012), ["ours"])
    assert ours.captured >= least
    assert ours.losing <= 0.1


def test_late_reports_and_little_traffic_do_not_turn_it_against_the_best() -> None:
    (late,) = score_kind("late", range(1000, 1006), ["ours"])
    assert late.captured >= 0.7
    thin = replace(KINDS["thin"], traffic=300.0)
    worlds = [make_world(thin, np.random.default_rng([1, seed])) for seed in range(6)]
    assert score_worlds("thin", worlds, range(6), "ours").captured > 0


def test_retired_creatives_are_hardly_ever_the_best() -> None:
    (score,) = score_kind("month", range(1000, 1012), ["ours"])
    assert score.retired > 10
    assert score.best_retired == 0


def test_the_command_prints_every_market_and_names_one_it_does_not_know() -> None:
    run = CliRunner()
    arguments = ["simulate", "--decision", "rotation", "--kinds", "week", "--json"]
    done = run.invoke(build_app(), arguments)
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["summary"]
    assert {row["policy"] for row in rows} >= {"ours", "thompson", "even split"}
    assert "unknown" in str(run.invoke(build_app(), [*arguments[:4], "weak"]).exception)
    assert "no worlds" in str(run.invoke(build_app(), ["simulate", "--decision", "x"]).exception)
