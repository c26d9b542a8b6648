"""Whole nights of a portfolio whose north star is built from valued outcomes."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import ConfigError, DataNotTrustedError
from pipeline.core.learning import CreditRow
from pipeline.core.plan import Mode
from pipeline.runs import kpi
from pipeline.runs.checking import replay_plan
from pipeline.runs.inputs import read_inputs
from pipeline.runs.kpi import kpi_of
from pipeline.runs.storage import read_facts, read_models
from tests.runs.shop import DAY, Shop


def funnel(folder: Path, **objective: object) -> Shop:
    """Return a shop whose outcomes are trials and leads, and whose clicks come at once."""
    shop = Shop(folder, days=56)
    rng = np.random.default_rng(1)
    for paid, row in zip(shop.spend, shop.outcomes, strict=True):
        got = int(row.pop("conversions"))
        row["trial"] = int(rng.binomial(got, 0.3))
        row["lead"] = got - row["trial"]
        row["all_signups"] = got
        paid["clicks"] = int(rng.poisson(20 * got + 20))
        paid["impressions"] = 100 * paid["clicks"]
        del row["revenue"]
    shop.settings["objective"] = {"values": {"trial": 30, "lead": 12}, **objective}
    names = ("trial", "lead", "all_signups")
    shop.settings["sources"]["outcomes"] = {
        "path": "data/outcomes.csv",
        "credit": "crm",
        "columns": {name: name for name in names},
    }
    return shop


def test_a_night_maximises_the_sum_of_valued_parts(tmp_path: Path):
    shop = funnel(tmp_path, leads=["clicks"], totals={"all_signups": ["trial", "lead"]})
    plan = shop.night()
    assert plan.mode is Mode.OPTIMISED
    assert plan.expected is not None
    assert plan.kpi is not None
    assert plan.expected.metric == plan.kpi.north_star == "value"
    assert plan.kpi.credit == "crm"
    assert plan.kpi.leads == ("clicks",)
    days = {row["date"] for row in shop.outcomes[-28 * 5 :]}
    trials = sum(row["trial"] for row in shop.outcomes if row["date"] in days) / 28
    found = {part.metric: part for part in plan.kpi.parts}
    assert found["trial"].amount == pytest.approx(trials)
    assert sum(part.share for part in plan.kpi.parts) == pytest.approx(1)
    total, *channels = plan.kpi.credited
    assert [row.scope["channel"] for row in channels] == ["search", "social", "tv"]
    assert total.attributed == pytest.approx(sum(row.attributed for row in channels))
    assert total.factor == pytest.approx(total.incremental / total.attributed)
    assert 0 < total.factor < 1.2
    assert total.tests == ()
    assert [item.check for item in plan.findings] == ["data"]
    assert plan.model_health is not None
    leads = [item for item in plan.model_health.checks if item.check == "model.lead"]
    assert len(leads) == 1
    page = (shop.run(plan).read_bytes("report.html")).decode()
    assert "What value rests on" in page
    assert "no experiment: read off how outcomes move with money" in page
    assert replay_plan(shop.portfolio, plan.plan_id).differences == ()


def test_parts_that_do_not_add_up_are_said_with_the_day(tmp_path: Path):
    shop = funnel(tmp_path, totals={"all_signups": ["trial", "lead"]})
    for row in shop.outcomes[-5 * 10 :]:
        row["lead"] = 0
    plan = shop.night()
    (found,) = [item for item in plan.findings if item.check == "totals"]
    assert found.level == "review"
    assert "are missing from its parts, since 2026-11-12" in found.message
    assert "all_signups" in found.message


def test_a_part_that_is_not_in_the_data_is_named(tmp_path: Path):
    shop = funnel(tmp_path)
    for row in shop.outcomes:
        del row["lead"]
    with pytest.raises(DataNotTrustedError, match="lead"):
        shop.night(DAY)


def test_tests_that_support_the_factor_are_named(tmp_path: Path):
    shop = funnel(tmp_path)
    rows = ["name,channel,from,to,lift,standard_error,spend_change"]
    rows.append("autumn,social,2026-10-20,2026-11-02,900,120,all")
    rows.append("beyond,tv,2026-10-20,2026-11-02,90000000,120,all")  # teaches nothing
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tests.csv").write_text("\n".join(rows) + "\n")
    shop.settings["sources"]["experiments"] = {"path": "data/tests.csv"}
    plan = shop.night()
    assert plan.kpi is not None
    assert {row.scope.get("channel", "all"): row.tests for row in plan.kpi.credited} == {
        "all": ("autumn",),
        "search": (),
        "social": ("autumn",),
        "tv": (),
    }


def test_several_systems_that_credit_have_a_factor_each(tmp_path: Path):
    shop = funnel(tmp_path)
    credit = {"search": "platform", "social": "platform", "tv": "modelled"}
    shop.settings["sources"]["outcomes"]["credit"] = credit
    plan = shop.night()
    assert plan.kpi is not None
    assert plan.kpi.credit == "several"
    total, platform, modelled, *channels = plan.kpi.credited
    assert [row.credit for row in (total, platform, modelled)] == ["", "platform", "modelled"]
    assert {row.scope["channel"]: row.credit for row in channels} == credit
    of_platform = [row for row in channels if row.credit == "platform"]
    assert platform.attributed == pytest.approx(sum(row.attributed for row in of_platform))
    assert platform.factor == pytest.approx(platform.incremental / platform.attributed)
    assert platform.attributed + modelled.attributed == pytest.approx(total.attributed)
    page = shop.run(plan).read_bytes("report.html").decode()
    assert "all credited by platform" in page
    assert "tv <small>modelled</small>" in page
    assert replay_plan(shop.portfolio, plan.plan_id).differences == ()


def test_credit_of_outcomes_that_nobody_credited_is_refused(tmp_path: Path):
    shop = funnel(tmp_path)
    shop.settings["sources"]["outcomes"]["by"] = []
    with pytest.raises(ConfigError, match="by says that nobody did"):
        shop.night()


def test_a_plan_stored_without_credit_by_row_keeps_its_bytes():
    row = CreditRow(scope={}, attributed=1.0, incremental=0.5, p05=0.2, p95=0.8, factor=0.5)
    assert "credit" not in row.model_dump(mode="json")


def all_lines(shop: Shop) -> CreditRow:
    kpi = shop.night().kpi
    assert kpi is not None
    return kpi.credited[0]


def test_tomorrows_weekday_is_in_neither_side_of_the_factor(open_shop):
    plain, busy = open_shop("plain", days=120), open_shop("busy", days=120)
    for row in busy.outcomes:
        if date.fromisoformat(row["date"]).weekday() == DAY.weekday():
            row["conversions"], row["revenue"] = 3 * row["conversions"], 3 * row["revenue"]
    assert all_lines(busy).factor == pytest.approx(all_lines(plain).factor, rel=0.2)


def test_a_week_that_is_dearer_than_the_past_is_in_neither_side_of_the_factor(open_shop):
    plain, sale = open_shop("plain", days=120), open_shop("sale", days=120)
    past = [DAY - timedelta(days=back) for back in (*range(40, 47), *range(60, 67))]
    coming = [DAY + timedelta(days=ahead) for ahead in range(7)]
    for row in sale.outcomes:
        if date.fromisoformat(row["date"]) in past:
            row["conversions"], row["revenue"] = 3 * row["conversions"], 3 * row["revenue"]
    sale.settings["calendar"] = {"days": {"sale": [str(day) for day in (*past, *coming)]}}
    usual, found = all_lines(plain), all_lines(sale)
    assert found.attributed == pytest.approx(usual.attributed, rel=0.05)
    assert found.factor == pytest.approx(usual.factor, rel=0.2)
    assert found.p95 < 1.5 * usual.p95


def test_what_the_fit_leaves_out_and_days_that_have_not_come_are_not_attributed(open_shop):
    plain, odd = open_shop("plain"), open_shop("odd")
    late = (DAY - timedelta(days=1)).isoformat()
    odd.outcomes = [row for row in odd.outcomes if row["date"] < late]
    odd.outcomes[-5 * 9]["revenue"] *= 19  # of search / brand, a little below what is refused
    usual, found = all_lines(plain), all_lines(odd)
    assert found.attributed == pytest.approx(usual.attributed, rel=0.05)
    assert found.factor == pytest.approx(usual.factor, rel=0.2)


def test_many_lines_are_credited_some_at_a_time_as_all_at_once(tmp_path: Path, monkeypatch):
    shop = funnel(tmp_path)
    run = shop.run(shop.night())
    facts, models = read_facts(run, read_inputs(run)), read_models(run)
    whole = kpi_of(facts, models)
    monkeypatch.setattr(kpi, "SUMMED_LINES", 2)
    assert kpi_of(facts, models) == whole
