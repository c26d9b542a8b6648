"""What plans on totals and regions promise, what came of it, and what that changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from pipeline.cli.app import build_app
from pipeline.core.forecast import Forecast
from pipeline.core.history import ALL_LINES
from pipeline.core.watch import LineWatch, Watch
from pipeline.io.artefacts import RunFolder, begin_run
from pipeline.runs import night, scoring, storage
from pipeline.runs.checking import replay_plan
from pipeline.runs.fitting import fit_models
from pipeline.runs.inputs import read_inputs
from pipeline.runs.promises import FORECAST, PROMISES, read_promises, write_forecast
from tests.runs.shop import DAY, Shop
from tests.runs.test_measured import totals

ZEROS = {"spend": 0.0, "revenue": 0.0, "demand_index": 0.0}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop that knows the day's total, with a signed night whose day is fully known by now."""
    shop = totals(Shop(tmp_path_factory.mktemp("lived") / "shop"), days=120)
    shop.night()
    shop.approve()
    shop.night(shop.later(4))
    return shop


def newest(shop: Shop) -> RunFolder:
    return shop.run(shop.portfolio.ledger.plan("latest", "acme").plan)


def kept(shop: Shop) -> Forecast:
    (promise,) = read_promises(newest(shop))
    return promise.forecast


def test_a_night_promises_the_total_and_says_what_was_to_be_spent(lived: Shop) -> None:
    forecast = kept(lived)
    assert (forecast.day, forecast.lines, forecast.horizons) == (DAY, (ALL_LINES,), (1, 7, 14))
    np.testing.assert_array_equal(forecast.mean[:, 0], forecast.mean[:, 1])
    plan = lived.portfolio.ledger.plans("acme")[-1].plan
    paid = forecast.paid
    assert paid is not None
    assert dict(zip(paid.lines, paid.spend.round(2).tolist(), strict=True)) == plan.budgets
    assert paid.status_quo_spend.tolist() == [line.current for line in plan.lines]
    assert forecast.spend[0] == pytest.approx(plan.budget)
    assert np.all(np.diff(forecast.quantiles, axis=-1) >= 0)


def test_what_is_kept_of_the_days_ahead_is_what_was_drawn(lived: Shop) -> None:
    work = newest(lived)
    facts = storage.read_facts(work, read_inputs(work))
    drawn, stored = fit_models(facts).ahead, storage.read_models(work).ahead
    assert drawn is not None
    assert stored is not None
    one, other = (
        ahead.forecast(facts.current, facts.current, np.random.default_rng(1))
        for ahead in (drawn, stored)
    )
    np.testing.assert_array_equal(one.quantiles, other.quantiles)
    np.testing.assert_array_equal(one.slope, other.slope)


@pytest.fixture(scope="module")
def card(lived: Shop) -> scoring.ScoreCard:
    return scoring.score_portfolio(lived.portfolio, lived.today)


def test_the_day_of_a_plan_is_scored_once_it_is_whole(lived: Shop, card: scoring.ScoreCard) -> None:
    total = next(item for item in card.scores if not item.line)
    (row,) = [row for row in lived.outcomes if row["date"] == DAY.isoformat()]
    spent = sum(row["spend"] for row in lived.spend if row["date"] == DAY.isoformat())
    assert total.came == total.reported == pytest.approx(row["revenue"])
    assert (total.day, total.horizon, total.complete_share) == (DAY, 1, 1.0)
    assert total.spent == pytest.approx(spent)
    assert total.is_inside
    (adopted,) = card.adoptions
    assert adopted.delivered_share == pytest.approx(spent / total.planned)
    assert card.judged.gain is None
    earlier = scoring.score_portfolio(lived.portfolio, lived.today - timedelta(days=1))
    assert earlier.scores == ()  # the newest days may still grow


def test_money_spent_otherwise_counts_by_line(lived: Shop, card: scoring.ScoreCard) -> None:
    forecast = kept(lived)
    paid = forecast.paid
    assert paid is not None
    spent = {row["channel"]: row["spend"] for row in lived.spend if row["date"] == DAY.isoformat()}
    away = np.array([spent[line[0]] for line in paid.lines]) - paid.spend
    total = next(item for item in card.scores if not item.line)
    assert total.given == pytest.approx(forecast.mean[0, -1] + paid.slope[0] @ away)


def test_the_page_and_the_command_show_it_and_a_replay_finds_the_same(lived: Shop) -> None:
    page = newest(lived).read_bytes("report.html").decode()
    row = page[page.index('id="promises"') :]
    assert DAY.isoformat() in row
    assert "As promised" in row
    told = CliRunner().invoke(
        build_app(), ["score", "--date", lived.today.isoformat(), "-w", str(lived.folder)]
    )
    assert told.exit_code == 0
    assert "inside" in told.stdout
    assert "a lift test" in told.stdout  # what shows a gain where nobody can compute one
    assert replay_plan(lived.portfolio, "latest").differences == ()


def with_past(shop: Shop, folder: Path, forecasts: list[Forecast]) -> RunFolder:
    """Return a night of the shop, learned from, after plans that had promised this."""
    work = begin_run(str(folder), "night")
    night.freeze(shop.portfolio, shop.today, work)
    tables = []
    for index, forecast in enumerate(forecasts):
        scratch = begin_run(str(folder), f"promise-{index}")
        write_forecast(scratch, forecast)
        table = scratch.read_parquet(FORECAST)
        names = pa.array([f"plan-{index}"] * table.num_rows)
        tables.append(table.set_column(0, "plan_id", names))
    work.write_parquet(PROMISES, pa.concat_tables(tables))
    night.learn(work)
    return work


def test_forecasts_that_held_too_little_are_told_and_widen_the_curves(
    lived: Shop, tmp_path: Path
) -> None:
    true = {row["date"]: row["revenue"] for row in lived.outcomes}
    forecast, promised = kept(lived), []
    for back in range(30, 0, -1):
        day = DAY - timedelta(days=back)
        mean = np.full((1, 2), true[day.isoformat()] * (1 + 0.1 * (-1) ** back))
        promised.append(
            replace(
                forecast,
                day=day,
                horizons=(1,),
                mean=mean,
                status_quo=mean,
                slope=np.zeros((1, 2)),
                quantiles=mean[..., None] * np.linspace(0.97, 1.03, 7),
                paid=None,
            )
        )
    work = with_past(lived, tmp_path, promised)
    watch = storage.read_watch(work)
    assert {"forecast-coverage"} <= {item.check for item in watch.calibration()}
    assert all(item.widen > 2 for _, item in watch.lines)
    before = storage.read_models(newest(lived)).objective
    after = storage.read_models(work).objective
    np.testing.assert_allclose(after.mean, before.mean, rtol=1e-9)
    wider = after.table.value[:, :, -1].std(axis=0) / before.table.value[:, :, -1].std(axis=0)
    assert np.all(wider > 1.3)


def test_an_alarm_over_a_line_widens_its_curve_in_a_joint_fit_too(lived: Shop) -> None:
    work = newest(lived)
    facts = storage.read_facts(work, read_inputs(work))
    line = facts.history.lines[1]
    alarmed = replace(facts, watch=Watch(lines=((line, LineWatch(widen=2.0)),)))
    one, other = (fit_models(item).objective.table.value for item in (facts, alarmed))
    np.testing.assert_array_equal(one[:, [0, 2]], other[:, [0, 2]])
    assert np.all(other[:, 1, -1].std() > 1.3 * one[:, 1, -1].std())


def in_weeks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of days as rows of the weeks that end before `DAY`."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        back = (DAY - date.fromisoformat(row["date"]) - timedelta(days=1)).days // 7
        first = (DAY - timedelta(days=7 * (back + 1))).isoformat()
        week = found.setdefault((first, row.get("channel", "")), {**row, "date": first, **ZEROS})
        for name in ZEROS:
            week[name] = round(week[name] + row.get(name, 0.0), 4)
    return list(found.values())


def test_a_week_is_promised_and_scored_as_a_week(tmp_path: Path) -> None:
    shop = totals(Shop(tmp_path / "shop"), days=280)
    shop.settings["sources"]["period"] = "week"
    shop.spend, shop.outcomes = in_weeks(shop.spend), in_weeks(shop.outcomes)
    plans = [shop.night(DAY), shop.night(DAY + timedelta(days=2))]
    for plan, first in zip(plans, (DAY, DAY + timedelta(days=7)), strict=True):
        table = shop.run(plan).read_parquet(FORECAST)
        assert set(table.column("horizon_days").to_pylist()) == {7, 14}
        assert set(table.column("day").to_pylist()) == {first}
    for rows in (shop.spend, shop.outcomes):
        last = [row for row in rows if row["date"] == (DAY - timedelta(days=7)).isoformat()]
        for first in (DAY, DAY + timedelta(days=7)):
            rows += [{**row, "date": first.isoformat()} for row in last]
    shop.moment += timedelta(days=15)
    run = shop.run(shop.night(DAY + timedelta(days=15)))
    (total,) = run.read_json(storage.SCORE_CARD)["plans"]
    revenue = next(r["revenue"] for r in shop.outcomes if r["date"] == DAY.isoformat())
    assert (total["day"], total["horizon"]) == (DAY.isoformat(), 7)
    assert total["came"] == pytest.approx(revenue)
    page = run.read_bytes("report.html").decode()
    assert "and 6 days after" in page[page.index('id="promises"') :]
    shown = {item.plan_id: item for item in scoring.read_day_scores(run)}
    assert shown[plans[0].plan_id].came == pytest.approx(revenue / 7)  # a day
    assert shown[plans[1].plan_id].came is None
