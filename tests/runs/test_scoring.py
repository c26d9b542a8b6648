"""What a night promised is kept, held against what came, and shown to the next signer."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli.app import build_app
from pipeline.core.forecast import HORIZONS
from pipeline.io.reports.words import number, number_change, percent
from pipeline.runs import scoring
from pipeline.runs.checking import replay_plan
from pipeline.runs.promises import read_promises
from tests.io.reports.dom import parse
from tests.runs.shop import DAY, Shop

_TOLD = re.compile("gain: since|uplift|2026-11-.* budget ")  # rows with a gain


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop with three signed nights, of which two are over."""
    shop = Shop(tmp_path_factory.mktemp("lived") / "shop", days=70)
    day = DAY
    for _ in range(2):
        shop.night(day)
        shop.approve()
        day = shop.later()
    shop.night(day)
    return shop


def test_a_night_keeps_what_earlier_nights_promised(lived: Shop) -> None:
    plan = lived.portfolio.ledger.plan("latest", "acme").plan
    promises = read_promises(lived.run(plan))
    assert [promise.forecast.day for promise in promises] == [DAY, DAY + timedelta(days=1)]
    assert all(promise.is_published for promise in promises)
    for promise in promises:
        forecast = promise.forecast
        assert forecast.horizons == HORIZONS
        assert forecast.mean[0, -1] == pytest.approx(forecast.mean[0, :-1].sum())
        assert np.all(np.diff(forecast.quantiles, axis=-1) >= 0)
        assert np.all(forecast.mean[2] > forecast.mean[1])


def test_the_page_says_what_was_promised_and_what_came(lived: Shop) -> None:
    plan = lived.portfolio.ledger.plan("latest", "acme").plan
    page = lived.run(plan).read_bytes("report.html").decode()
    assert "Promised, and what came" in page
    assert DAY.isoformat() in page


def test_the_page_says_what_plans_brought_and_what_was_missed(lived: Shop) -> None:
    plan = lived.portfolio.ledger.plan("latest", "acme").plan
    brought = lived.run(plan).read_json("page.json")["extras"]["brought"]
    judged = scoring.score_portfolio(lived.portfolio, lived.today).judged
    assert brought["plans"] == len(judged.published) == 2
    assert brought["gain"]["mean"] == pytest.approx(judged.gain.gain)
    assert brought["gain"]["mean"] == pytest.approx(sum(item.gain for item in judged.worths))
    assert brought["planned"] == pytest.approx(judged.gain.gain + judged.missed)
    page = parse(lived.run(plan).read_bytes("report.html").decode())
    text = page.with_id("brought").text
    assert "2 published plans since Sunday 22 November 2026 brought" in text
    assert judged.missed > 0
    gain = number_change(judged.gain.gain)
    assert f"{gain} EUR of revenue in all against leaving budgets alone" in text
    missed = f"{number(judged.missed)} EUR of revenue"
    assert f"{percent(judged.otherwise)} of the money was not spent as planned" in text
    assert f"{missed} was missed by that, and is not counted as theirs" in text


@pytest.mark.parametrize("command", ["score --date 2026-11-24", "plans", "plan latest"])
def test_the_command_line_says_what_gains_count(lived: Shop, command: str) -> None:
    said = CliRunner().invoke(build_app(), [*command.split(), "-w", str(lived.folder)])
    assert said.exit_code == 0
    gains = [row for row in said.stdout.splitlines() if _TOLD.match(row.strip())]
    assert gains
    assert all(re.search(r"\d EUR of revenue\b", row) for row in gains), said.stdout


def test_a_plan_that_was_not_published_is_counted_apart(shop: Shop) -> None:
    shop.night()
    plan = shop.night(shop.later())
    brought = shop.run(plan).read_json("page.json")["extras"]["brought"]
    assert (brought["plans"], brought["unsigned_plans"]) == (0, 1)
    page = parse(shop.run(plan).read_bytes("report.html").decode())
    assert "1 plan that was not published would have" in page.with_id("brought").text


def test_the_score_of_a_day_is_that_day(lived: Shop) -> None:
    card = scoring.score_portfolio(lived.portfolio, lived.today)
    first = next(s for s in card.scores if not s.line and s.horizon == 1 and s.day == DAY)
    rows = [row for row in lived.outcomes if row["date"] == DAY.isoformat()]
    assert first.reported == pytest.approx(sum(row["revenue"] for row in rows))
    assert first.came >= first.reported
    by_line = [s for s in card.scores if s.line and s.horizon == 1 and s.day == DAY]
    assert sum(s.reported for s in by_line) == pytest.approx(first.reported)
    adopted = {item.day: item for item in card.adoptions}
    assert adopted[DAY].delivered_share > 0.5
    assert len(card.judged.worths) == 2
    kept = lived.folder / ".equimarginal" / "scores" / f"{lived.today.isoformat()}.json"
    assert json.loads(kept.read_text())["gain"]["plans"] == 2


def test_a_night_with_a_past_can_be_replayed(lived: Shop) -> None:
    assert replay_plan(lived.portfolio, "latest").differences == ()


def test_a_first_night_has_nothing_to_score(shop: Shop) -> None:
    plan = shop.night()
    assert read_promises(shop.run(plan)) == []
    card = scoring.score_portfolio(shop.portfolio, DAY)
    assert card.scores == ()
    assert card.judged.to_json()["gain"] is None


def test_plans_that_are_too_old_to_score_are_told_with_the_date_to_ask_for(
    lived: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = DAY + timedelta(days=100)
    monkeypatch.setenv("EQUIMARGINAL_NOW", f"{later}T06:00:00+01:00")
    done = CliRunner().invoke(build_app(), ["score", "-w", str(lived.folder)])
    assert done.exit_code == 0, done.output
    newest = DAY + timedelta(days=2)
    said = (
        f"the newest plan with a forecast is of {newest}; scores look 60 days back from {later}: "
    )
    then = newest + timedelta(days=15)
    assert f"{said}name a morning nearer to it, such as --date {then}" in done.output
    asked = ["score", "--date", then.isoformat(), "-w", str(lived.folder)]
    assert "scores look" not in CliRunner().invoke(build_app(), asked).output
