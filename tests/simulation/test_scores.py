from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from pipeline.core.errors import UsageError
from pipeline.simulation.loop import NightScore
from pipeline.simulation.picture import draw_worlds
from pipeline.simulation.scores import WorldRun, run_world, run_worlds, summaries

NIGHTS = 6


@pytest.fixture(scope="module")
def runs() -> list[WorldRun]:
    worlds = [("calm", 1), ("calm", 2)]
    return list(run_worlds(worlds, ("static", "rule"), nights=NIGHTS))


def test_standing_still_scores_nothing_and_moves_nothing(runs: list[WorldRun]) -> None:
    still = [score for run in runs for score in run.scores() if score.policy == "static"]
    assert [score.captured for score in still] == [0, 0]
    assert [score.moved for score in still] == [0, 0]
    assert all(score.oracle_lift > 0 for score in still)


def test_one_row_a_policy_and_kind(runs: list[WorldRun]) -> None:
    rows = summaries([score for run in runs for score in run.scores()])
    assert [(row["policy"], row["worlds"], row["count"]) for row in rows] == [
        ("static", "calm", 2),
        ("rule", "calm", 2),
    ]
    assert rows[1]["captured_min"] <= rows[1]["captured"]


def test_two_processes_find_what_one_finds(runs: list[WorldRun]) -> None:
    worlds = [("calm", 1), ("calm", 2)]
    ticks: list[int] = []
    again = list(
        run_worlds(worlds, ("static", "rule"), nights=NIGHTS, processes=2, progress=ticks.append)
    )
    assert [run.scores() for run in again] == [run.scores() for run in runs]
    assert sum(ticks) == 2 * 2 * NIGHTS


def test_our_night_beats_standing_still_in_a_calm_world() -> None:
    (score,) = run_world("calm", 0, ("ours",), nights=12).scores()
    assert score.captured > 0.2
    assert score.marginal_coverage is not None
    assert score.uplift_coverage is not None


def test_a_plan_that_is_as_good_as_today_is_half_better_as_it_is_claimed(
    runs: list[WorldRun],
) -> None:
    run = runs[0]
    claims = [(0.0, 0.5), (3.0, 0.9), (-1.0, 0.4), (0.0, 0.6), (2.0, None)]
    nights = tuple(
        NightScore(uplift_true=true, probability_positive=claimed) for true, claimed in claims
    )
    told = replace(run, others=(replace(run.others[0], nights=nights),)).scores()[0]
    assert told.truly_positive == pytest.approx((0.5 + 1 + 0 + 0.5) / 4)
    assert told.claimed_positive == pytest.approx((0.5 + 0.9 + 0.4 + 0.6) / 4)


def test_an_unknown_policy_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="'luck': unknown"):
        run_world("calm", 0, ("luck",), nights=1)


def test_the_picture_is_one_self_contained_svg(runs: list[WorldRun]) -> None:
    drawn = draw_worlds(runs)
    root = ET.fromstring(drawn)
    lines = root.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == len(runs) * 3  # oracle, static, rule
    assert b"http://www.w3.org/2000/svg" in drawn
    assert drawn.count(b"http") == 1
    assert draw_worlds(runs) == drawn
