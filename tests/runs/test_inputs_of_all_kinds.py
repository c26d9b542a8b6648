"""Whole nights on the shapes that portfolios come in."""

from __future__ import annotations

import sqlite3

import pytest

from pipeline.core.errors import DataNotTrustedError
from pipeline.core.money import sum_money
from pipeline.core.plan import Mode
from tests.runs.shop import DAY, LINES, SPENDS, amounts, write_csv


def assert_sound(plan, ramp=0.25):
    """The contract's promises that hold for every plan of a plain portfolio."""
    assert plan.mode in {Mode.OPTIMISED, Mode.HOLD}
    assert sum_money([item.proposed for item in plan.lines], plan.currency) == plan.budget
    for current, after in amounts(plan).values():
        assert current * (1 - ramp) - 1e-6 <= after <= current * (1 + ramp) + 1e-6


@pytest.mark.parametrize("levels", [1, 3, 4])
def test_a_line_has_one_to_four_levels(open_shop, levels):
    columns = ("market", "channel", "audience", "creative")[:levels]
    lines = [tuple(f"{column}-{index}" for column in columns) for index in range(5)]
    plan = open_shop(columns=columns, lines=lines).night()
    assert_sound(plan)
    assert set(plan.budgets) == set(lines)
    assert plan.line_columns == columns


@pytest.mark.parametrize(
    "value",
    ["NA", "007", "1e5", "true", "null", "=1+1", "<b>bold</b>", "Été & \"co\", 'x'", "日本", "a/b"],
)
def test_a_name_is_taken_as_it_is_written(open_shop, value):
    lines = [("search", value), ("search", "y"), *LINES[2:]]
    shop = open_shop(lines=lines)
    plan = shop.night()
    assert_sound(plan)
    assert ("search", value) in plan.budgets
    page = shop.run(plan).read_bytes("report.html").decode()
    assert "<b>bold</b>" not in page
    shop.approve()
    assert shop.portfolio.ledger.last_published("acme").plan.budgets == plan.budgets


def test_two_names_that_differ_in_case_are_two_lines(open_shop):
    plan = open_shop(lines=[("search", "Brand"), ("search", "brand"), *LINES[2:]]).night()
    assert {("search", "Brand"), ("search", "brand")} <= set(plan.budgets)


def test_a_single_line_gets_the_whole_budget_as_far_as_its_ramp_allows(open_shop):
    shop = open_shop(lines=LINES[:1], spends=(1000.0,))
    plan = shop.night()
    ((current, after),) = amounts(plan).values()
    assert abs(after - current) <= 0.25 * current + 0.01
    assert after == 1000 or plan.reasons


def test_outcomes_may_be_in_the_same_file(shop):
    separate = shop.night()
    both = [{**a, **b} for a, b in zip(shop.spend, shop.outcomes, strict=True)]
    shop.write()
    write_csv(shop.folder / "data" / "all.csv", both)
    shop.settings["sources"] = {
        "spend": {"path": "data/all.csv"}, "outcomes": {"path": "data/all.csv"}
    }  # fmt: skip
    assert amounts(shop.night()) == amounts(separate)


def test_parquet_a_glob_and_a_database_give_the_plan_of_the_csv(shop):
    import pyarrow as pa
    import pyarrow.parquet as pq

    plain = amounts(shop.night())
    data = shop.folder / "data"
    pq.write_table(pa.Table.from_pylist(shop.spend), data / "spend.parquet")
    shop.settings["sources"]["spend"] = {"path": "data/spend.parquet"}
    assert amounts(shop.night()) == plain

    half = len(shop.spend) // 2
    write_csv(data / "part-1.csv", shop.spend[:half])
    write_csv(data / "part-2.csv", shop.spend[half:])
    shop.settings["sources"]["spend"] = {"path": "data/part-*.csv"}
    assert amounts(shop.night()) == plain

    with sqlite3.connect(data / "ads.db") as database:
        database.execute("create table spend (day text, channel, audience, cost real, clicks int)")
        database.executemany(
            "insert into spend values (:date, :channel, :audience, :spend, :clicks)", shop.spend
        )
    database.close()
    shop.settings["sources"]["spend"] = {
        "database": "sqlite:///data/ads.db",
        "query": "select * from spend",
        "columns": {"date": "day", "spend": "cost"},
    }
    assert amounts(shop.night()) == plain


def test_columns_are_mapped_by_name(shop):
    plain = amounts(shop.night())
    names = {"date": "Day", "channel": "Kanal", "audience": "Zielgruppe", "spend": "Kosten"}
    shop.spend = [{names.get(k, k): v for k, v in row.items()} for row in shop.spend]
    shop.settings["sources"]["spend"]["columns"] = names
    assert amounts(shop.night()) == plain


def test_an_objective_may_be_any_outcome_column(shop):
    for row in shop.outcomes:
        row["sign_ups"] = row.pop("conversions")
        del row["revenue"]
    shop.settings["objective"] = {"maximize": "sign_ups"}
    shop.settings["guardrails"] = [{"metric": "cost_per_sign_ups", "max": 1000}]
    plan = shop.night()
    assert_sound(plan)
    assert plan.expected.metric == "sign_ups"
    assert plan.guardrails[0].status == "pass"
    assert any("sign_ups" in item.reason for item in plan.lines)


def test_conversions_without_any_revenue_column_are_enough(shop):
    for row in shop.outcomes:
        del row["revenue"]
    shop.settings["objective"] = {"maximize": "conversions"}
    assert_sound(shop.night())


def test_a_guardrail_without_its_column_is_said_not_passed_over(shop):
    shop.settings["guardrails"] = [{"metric": "margin", "min": 1}]
    with pytest.raises(DataNotTrustedError, match="margin"):
        shop.night()


def test_yen_have_no_decimals(open_shop):
    shop = open_shop(level=100.0)
    shop.settings["currency"] = "JPY"
    for row in shop.spend:
        row["spend"] = round(row["spend"])
    plan = shop.night()
    assert_sound(plan)
    for current, after in amounts(plan).values():
        assert (current, after) == (int(current), int(after))
    assert plan.budget == 100_000


def test_a_budget_finer_than_its_currency_is_rounded(open_shop):
    shop = open_shop()
    shop.settings["budget"] = {"daily": 1000.004}
    plan = shop.night()
    assert plan.budget == 1000
    shop.approve()
    assert shop.portfolio.ledger.last_published("acme").plan_id == plan.plan_id


def test_a_line_that_appears_may_be_given_money(shop):
    shop.night()
    shop.approve()
    day = shop.later()
    newest = (day.replace(day=day.day - 1)).isoformat()
    shop.spend.append({**shop.spend[-1], "channel": "radio", "date": newest, "spend": 50})
    plan = shop.night(day)
    assert ("radio", "x") in plan.budgets
    assert plan.budgets["radio", "x"] >= 0
    shop.approve()


def test_a_line_that_is_switched_off_keeps_its_place(shop):
    shop.night()
    shop.approve()
    day = shop.later(9)
    gone = [row for row in shop.spend if row["channel"] == "tv" and row["date"] >= DAY.isoformat()]
    for row in gone:
        row["spend"] = 0
    plan = shop.night(day)
    assert ("tv", "x") in plan.budgets
    shop.approve()


def test_a_line_that_left_the_data_altogether_does_not_lose_its_money_unseen(shop):
    signed = shop.night()
    shop.approve()
    day = shop.later()
    shop.spend = [row for row in shop.spend if row["channel"] != "tv"]
    shop.outcomes = [row for row in shop.outcomes if row["channel"] != "tv"]
    plan = shop.night(day)
    assert plan.budgets["tv", "x"] == signed.budgets["tv", "x"]
    assert any("tv" in f"{item.line} {item.message}" for item in plan.findings) or plan.reasons
    shop.approve()


def test_a_month_is_paced_over_its_days(open_shop):
    shop = open_shop()
    spent = sum(row["spend"] for row in shop.spend if row["date"] >= "2026-11-01")
    shop.settings["budget"] = {"monthly": round(spent + 9 * 1000)}
    plan = shop.night()
    assert_sound(plan)
    assert plan.budget == pytest.approx(1000, rel=0.15)
    assert all("against leaving those alone" in reason for reason in plan.reasons)


def test_a_month_that_is_spent_says_why_the_lines_do_not_stop_at_once(open_shop):
    shop = open_shop()
    shop.settings["budget"] = {"monthly": 9000}
    plan = shop.night()
    assert plan.reasons
    for current, after in amounts(plan).values():
        assert after == pytest.approx(0.75 * current, abs=0.02)


def test_a_budget_far_above_today_is_reached_over_some_nights(shop):
    shop.settings["budget"] = {"daily": 2500}
    plan = shop.night()
    total = sum(current for current, _ in amounts(plan).values())
    assert plan.budget == pytest.approx(1.25 * total, abs=0.05)
    assert any("cannot be placed" in reason for reason in plan.reasons)


def test_a_day_is_ninety_days_after_a_leap_day_or_at_a_change_of_clocks(shop):
    shop.settings["timezone"] = "America/New_York"
    assert_sound(shop.night())


def test_no_spend_on_a_line_yet_does_not_stop_the_night(open_shop):
    shop = open_shop(lines=[*LINES, ("video", "new")], spends=[*SPENDS, 0.0001])
    for row in shop.line_rows("video", "new"):
        row["spend"] = 0
    plan = shop.night()
    assert_sound(plan)
    assert plan.budgets["video", "new"] == 0
    reason = next(item.reason for item in plan.lines if item.line["audience"] == "new")
    assert "has no budget" in reason


def test_an_earlier_night_is_kept_beside_the_later_one(shop):
    first = shop.night()
    shop.approve()
    second = shop.night(shop.later())
    kept = shop.run(second)
    assert kept.exists("previous/line_day.parquet")
    assert first.plan_id in shop.statuses()


def test_settings_may_split_lines_further_after_a_plan_was_published(open_shop):
    shop = open_shop()
    shop.night()
    shop.approve()
    shop.settings["line"] = ["channel"]
    day = shop.later()
    for rows in (shop.spend, shop.outcomes):
        for row in rows:
            row["audience"] = row.pop("audience")
    plan = shop.night(day)
    assert set(plan.budgets) == {("search",), ("social",), ("tv",)}
    shop.approve()


def test_a_changed_currency_starts_anew(shop):
    signed = shop.night()
    shop.approve()
    shop.settings["currency"] = "USD"
    plan = shop.night(shop.later())
    assert plan.currency == "USD"
    for line, (current, _) in amounts(plan).items():
        assert current != signed.budgets[line]
