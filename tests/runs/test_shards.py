"""A fit that is shared out: the same bytes as one process, and no shard loses the night."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.errors import DataNotTrustedError
from pipeline.io.artefacts import list_work, resume_run
from pipeline.response import segments
from pipeline.response.blocks import BLOCK_LINES, LOST, BlockJob, learn_block
from pipeline.response.grid import COARSE, FULL
from pipeline.response.scratch import Scratch
from pipeline.response.sweep import SWEEPS
from pipeline.runs import course, shards, storage
from pipeline.runs.inputs import read_inputs
from pipeline.runs.portfolio import open_portfolio
from tests.runs.shop import DAY, Shop, amounts

LINES = tuple(sorted((f"c{index % 3}", f"a{index:03d}") for index in range(2 * BLOCK_LINES + 8)))
SPENDS = tuple(50.0 + 5 * (index % 9) for index in range(len(LINES)))
BUDGET = {"budget": {"daily": round(sum(SPENDS), 2)}}


def open_shop(folder: Path) -> Shop:
    shop = Shop(folder, lines=LINES, spends=SPENDS, days=28)
    shop.settings |= {**BUDGET, "shards": {"above": 10, "lines": BLOCK_LINES}}
    return shop


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, str]]:
    """A night up to its fit, its data taken as good, and its token; tests work on copies."""
    shop = open_shop(tmp_path_factory.mktemp("begun"))
    shop.write()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EQUIMARGINAL_NOW", shop.moment.isoformat())
        token = course.extract(shop.folder, DAY.isoformat(), "budget")
        course.run_step(shop.folder, token, "budget", "stage")
        yield shop, token


@pytest.fixture
def shop(begun: tuple[Shop, str], tmp_path: Path) -> Shop:
    """A copy of that night's portfolio."""
    shop = open_shop(tmp_path / "shop")
    shutil.copytree(begun[0].folder, shop.folder, dirs_exist_ok=True)
    return shop


@pytest.fixture
def token(begun: tuple[Shop, str]) -> str:
    return begun[1]


@pytest.fixture(scope="module")
def alone(begun: tuple[Shop, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The hashes of the night's files after a fit in one process."""
    folder = tmp_path_factory.mktemp("alone") / "shop"
    shutil.copytree(begun[0].folder, folder)
    course.run_step(folder, begun[1], "budget", "fit")
    return hashes(folder, begun[1])


def hashes(folder: Path, token: str) -> dict[str, str]:
    return resume_run(open_portfolio(folder).runs, token).hashes()


def spread(shop: Shop, token: str, lose: tuple[int, ...] = ()) -> list[int]:
    """Run the fit as a scheduler does, without the shards that are lost for good."""
    given = shards.split(shop.folder, token)
    for shard in reversed(given):  # in any order
        if shard not in lose:
            shards.learn(shop.folder, token, shard)
    shards.fit(shop.folder, token, given)
    return given


def finish(shop: Shop, token: str) -> Any:
    for name in ("allocate", "verify"):
        course.run_step(shop.folder, token, "budget", name)
    course.finish(shop.folder, token, "budget")
    return shop.portfolio.ledger.plan("latest").plan


def test_the_only_sweep_on_the_full_grid_is_shared_out() -> None:
    assert [grid is FULL for grid in SWEEPS] == [False] * (len(SWEEPS) - 1) + [True]


def test_shards_give_the_bytes_of_one_process(
    alone: dict[str, str], shop: Shop, token: str
) -> None:
    assert spread(shop, token) == [0, 1, 2]
    assert list_work(shop.portfolio.runs) == [token]
    assert hashes(shop.folder, token) == alone
    assert "posterior.parquet" in alone


def test_a_shard_that_was_killed_is_run_again_alone(
    alone: dict[str, str], shop: Shop, token: str
) -> None:
    given = shards.split(shop.folder, token)
    for shard in given:
        shards.learn(shop.folder, token, shard)
    bench = resume_run(shop.portfolio.runs, token + course.SHARDS)
    before = {name: bench.read_bytes(name) for name in bench.names() if "found" in name}
    shards.learn(shop.folder, token, 1)  # Airflow may run a task twice
    assert {name: bench.read_bytes(name) for name in before} == before
    shards.fit(shop.folder, token, given)
    assert hashes(shop.folder, token) == alone


def test_a_shard_that_never_answers_costs_its_lines_not_the_night(shop: Shop, token: str) -> None:
    spread(shop, token, lose=(1,))
    plan = finish(shop, token)
    lost = set(LINES[BLOCK_LINES : 2 * BLOCK_LINES])
    assert {item.line for item in plan.model_health.checks if item.check == LOST} == lost
    held = {line for line, (now, new) in amounts(plan).items() if now == new}
    assert lost <= held
    assert plan.mode == "optimised"
    assert len(LINES) - len(held) > BLOCK_LINES / 2


def test_a_late_answer_changes_nothing_any_more(shop: Shop, token: str) -> None:
    given = shards.split(shop.folder, token)
    for shard in (0, 2):
        shards.learn(shop.folder, token, shard)
    shards.fit(shop.folder, token, given)
    shards.learn(shop.folder, token, 1)
    work = resume_run(shop.portfolio.runs, token)
    lost = {
        tuple(item["line"])
        for item in work.read_json("model-health.json")["revenue"]
        if item["check"] == LOST
    }
    assert lost == set(LINES[BLOCK_LINES : 2 * BLOCK_LINES])


def test_a_split_that_failed_stops_what_comes_after_it(shop: Shop) -> None:
    with pytest.raises(DataNotTrustedError, match="clear it first"):
        shards.fit(shop.folder, "none", None)


def test_few_lines_are_not_shared_out(shop: Shop, token: str) -> None:
    shop.settings["shards"] = {"above": len(LINES)}
    (shop.folder / "portfolio.yaml").write_text(json.dumps(shop.settings), encoding="utf-8")
    assert shards.split(shop.folder, token) == []
    shards.fit(shop.folder, token, [])
    assert list_work(shop.portfolio.runs) == [token]
    assert "posterior.parquet" in hashes(shop.folder, token)


def test_a_line_that_breaks_its_block_is_lost_alone() -> None:
    rng = np.random.default_rng(4)
    days, lines = 40, 5
    spend = rng.lognormal(4, 0.3, (days, lines))
    job = BlockJob(
        is_full=False,
        freed=rng.lognormal(3, 0.2, (days, lines)),
        variance=np.full((days, lines), 20.0),
        spend=spend,
        reference=np.median(spend, axis=0),
        level=np.full(lines, 20.0),
        common=np.zeros((1, days, lines)),
        drift_prior=np.tile(COARSE.drift_prior, (lines, 1)),
        steps=np.zeros((days, lines)),
    )
    whole = learn_block(job, Scratch())
    job.freed[3, 2] = np.nan
    broken = learn_block(job, Scratch())
    assert broken.lost.tolist() == [False, False, True, False, False]
    kept = [0, 1, 3, 4]
    left, right = broken.evidence.log_likelihood[kept], whole.evidence.log_likelihood[kept]
    np.testing.assert_allclose(left, right, rtol=1e-9)
    assert not broken.evidence.log_likelihood[2].any()
    assert np.isfinite(broken.evidence.level_mean).all()


@pytest.fixture
def segmented(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines are so many that they are fitted in segments."""
    monkeypatch.setattr(segments, "SEGMENT_LINES", BLOCK_LINES)
    monkeypatch.setattr(segments, "CHANNEL_LINES", 20)


@pytest.mark.usefixtures("segmented")
def test_a_segment_is_a_shard_and_the_bytes_are_those_of_one_process(
    shop: Shop, token: str, tmp_path: Path
) -> None:
    shutil.copytree(shop.folder, tmp_path / "alone")
    course.run_step(tmp_path / "alone", token, "budget", "fit")
    assert spread(shop, token) == [0, 1, 2]
    assert list_work(shop.portfolio.runs) == [token]
    assert hashes(shop.folder, token) == hashes(tmp_path / "alone", token)
    assert {tuple(item.line.values()) for item in finish(shop, token).lines} == set(LINES)


@pytest.mark.usefixtures("segmented")
def test_a_segment_that_never_answers_costs_its_lines_not_the_night(shop: Shop, token: str) -> None:
    spread(shop, token, lose=(2,))
    work = resume_run(shop.portfolio.runs, token)
    places = segments.segments_of(storage.read_facts(work, read_inputs(work)).history)[2]
    plan = finish(shop, token)
    lost = {LINES[place] for place in places}
    assert {item.line for item in plan.model_health.checks if item.check == LOST} == lost
    assert all(line.action == "hold" for line in plan.lines if tuple(line.line.values()) in lost)


@pytest.mark.usefixtures("segmented")
def test_a_damaged_part_ends_the_fit_with_what_to_do(shop: Shop, token: str) -> None:
    for shard in shards.split(shop.folder, token):
        shards.learn(shop.folder, token, shard)
    bench = resume_run(shop.portfolio.runs, token + course.SHARDS)
    (name, *_) = [name for name in bench.names() if name.endswith("-part.npz")]
    bench.write_bytes(name, bench.read_bytes(name)[:1000])
    shards.fit(shop.folder, token, [0, 1, 2])
    work = resume_run(shop.portfolio.runs, token)
    (fault,) = [
        item for item in storage.read_findings(work, storage.FINDINGS) if item.check == "model"
    ]
    assert "cannot be read" in fault.message
