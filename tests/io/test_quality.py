from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.core.findings import Level
from pipeline.io import warehouse
from pipeline.io.artefacts import RunFolder, begin_run

DAY = date(2026, 3, 2)


def test_good_tables_pass_with_every_suite(tables: Any, night: Any) -> None:
    tables.write()
    found = night(suites=True)
    assert [(item.level, item.check) for item in found.all] == [(Level.PASS, "data")]


@pytest.mark.parametrize(
    ("column", "cell", "check"),
    [
        ("spend", "", "unreadable-number"),
        ("spend", "nan", "unreadable-number"),
        ("spend", "inf", "unreadable-number"),
        ("spend", "-5", "unreadable-number"),
        ("spend", "1e400", "unreadable-number"),
        ("spend", "1e18", "unreadable-number"),
        ("spend", "1,234.5", "unreadable-number"),
        ("spend", "1_000", "unreadable-number"),
        ("spend", " 5", "unreadable-number"),
        ("spend", "5 EUR", "unreadable-number"),
        ("spend", "0x1F", "unreadable-number"),
        ("spend", "\u0665", "unreadable-number"),
        ("spend", "true", "unreadable-number"),
        ("clicks", "many", "unreadable-number"),
        ("impressions", "-1", "unreadable-number"),
        ("date", "", "unreadable-day"),
        ("date", "01/02/2026", "unreadable-day"),
        ("date", "2026-02-30", "unreadable-day"),
        ("date", "20260201", "unreadable-day"),
        ("date", "2026-02-01 13:45:00", "unreadable-day"),
        ("date", "1970-01-01", "unreadable-day"),
        ("date", "2026-03-20", "future-day"),
        ("channel", "", "unusable-name"),
        ("channel", "   ", "unusable-name"),
        ("channel", "a\u202eb", "unusable-name"),
        ("channel", "a\x07b", "unusable-name"),
        ("channel", "x" * 201, "unusable-name"),
    ],
)
def test_a_spoilt_cell_is_refused_by_file_row_column_and_value(
    tables: Any, night: Any, column: str, cell: str, check: str
) -> None:
    tables.spend[41][column] = cell
    tables.write()
    found = night()
    assert check in found.fails
    finding = found.named(check)
    assert finding.source == "spend"
    assert finding.row == 43
    assert finding.column == ("line" if column == "channel" else column)
    assert "spend.csv, row 43" in finding.message
    assert finding.message.isprintable()
    assert finding.advice


@pytest.mark.parametrize("metric", ["conversions", "revenue"])
@pytest.mark.parametrize("cell", ["", "NaN", "-1", "x"])
def test_a_spoilt_outcome_is_refused(tables: Any, night: Any, metric: str, cell: str) -> None:
    tables.outcomes[17][metric] = cell
    tables.write()
    finding = night().named("unreadable-number")
    assert (finding.level, finding.source, finding.column) == (Level.FAIL, "outcomes", metric)
    assert finding.row == 19
    assert "none below zero: profit before the spend on ads" in finding.advice


def test_empty_revenue_where_nothing_was_sold_is_zero(tables: Any, night: Any) -> None:
    for row in tables.outcomes[16:18]:
        row["revenue"], row["conversions"] = "", 0
    tables.write()
    finding = night().named("empty-revenue")
    assert (finding.level, finding.row) == (Level.PASS, 18)
    assert "taken as 0 (2 such cells)" in finding.message
    assert (warehouse.read_facts(night.work).outcomes["revenue"] == 0).sum() == 2


def test_a_price_out_of_proportion_names_the_line_that_moves_it(tables: Any, night: Any) -> None:
    tables.cell(tables.outcomes, 1, "search", "a1")["revenue"] *= 8
    tables.write()
    finding = night().named("unit-cost")
    assert finding.line == ("search", "a1")
    assert finding.message.endswith(", above all on search / a1")


@pytest.mark.parametrize("cell", ["5", "5.", ".5", "+5", "5e1", "5E-1", "005"])
def test_a_plain_number_is_read_in_any_plain_form(tables: Any, night: Any, cell: str) -> None:
    tables.spend[41]["spend"] = cell
    tables.write()
    night()
    facts = warehouse.read_facts(night.work)
    assert float(cell) in facts.spend


def test_many_bad_cells_are_shown_by_the_first_and_counted(tables: Any, night: Any) -> None:
    for row in tables.spend[:40]:
        row["spend"] = "?"
    tables.write()
    named = [item for item in night().all if item.check == "unreadable-number"]
    assert len(named) == 11
    assert "30 more such cells" in named[-1].message


def test_an_empty_optional_cell_is_unknown_and_no_fault(tables: Any, night: Any) -> None:
    tables.spend[41]["clicks"] = ""
    tables.write()
    assert night().fails == set()


def test_a_currency_that_is_not_the_portfolios_is_never_added(tables: Any, night: Any) -> None:
    for row in tables.spend:
        row["currency"] = "EUR"
    tables.write()
    assert night().fails == set()
    tables.spend[9]["currency"] = "USD"
    tables.write()
    finding = night().named("foreign-currency")
    assert (finding.level, finding.row, finding.value) == (Level.FAIL, 11, "USD")


def test_a_repeated_row_without_a_text_column_is_refused(tables: Any, night: Any) -> None:
    tables.spend.append(dict(tables.spend[3]))
    tables.write()
    assert "repeated-row" in night().fails
    assert warehouse.read_facts(night.work).spend[0, 3] == tables.spend[3]["spend"]


@pytest.mark.parametrize(("amount", "level"), [(0.01, "reviews"), (900, "fails")])
def test_a_repeated_part_is_refused_where_it_is_worth_something(
    tables: Any, night: Any, amount: float, level: str
) -> None:
    for row in tables.spend:
        row["placement"] = "top"
    part = {**tables.spend[-3], "placement": "side", "spend": amount}
    tables.spend += [part, dict(part)]
    tables.write()
    assert "repeated-row" in getattr(night(), level)


def test_exports_that_overlap_are_refused_and_even_parts_are_a_sum(tables: Any, night: Any) -> None:
    good = [{**row, "report": "january"} for row in tables.spend]
    tables.spend = good + [{**row, "report": "february"} for row in good[60:]]
    tables.write()
    finding = night().named("restated-part")
    assert (finding.level, finding.source) == (Level.FAIL, "spend")
    assert "rows of the same spend" in finding.message
    tables.spend = [
        {**row, "report": half, "spend": round(row["spend"] * share, 2)}
        for row in good
        for half, share in (("phone", 0.4), ("desk", 0.6))
    ]
    tables.write()
    assert night().fails == set()


def test_two_different_rows_of_one_line_are_ambiguous(tables: Any, night: Any) -> None:
    tables.spend.append({**tables.spend[3], "spend": 77})
    tables.write()
    finding = night().named("ambiguous-key")
    assert finding.level is Level.FAIL
    assert "search / a1" not in finding.value
    assert "social / a2" in finding.value


def test_a_restatement_time_does_not_make_two_rows_parts(tables: Any, night: Any) -> None:
    for row in tables.spend:
        row["updated_at"] = "2026-03-01 05:00:00"
    tables.spend.append({**tables.spend[3], "spend": 77, "updated_at": "2026-03-01 06:00:00"})
    tables.write()
    assert "ambiguous-key" in night().fails


def test_clicks_above_impressions_are_shown(tables: Any, night: Any) -> None:
    row = tables.spend[8]
    row["clicks"] = row["impressions"] + 1
    tables.write()
    found = night(suites=True)
    assert found.fails == set()
    assert "clicks-above-impressions" in found.reviews
    assert "impressions-clicks-swapped" in found.reviews


def test_a_line_that_earns_and_never_spends_is_shown(tables: Any, night: Any) -> None:
    tables.outcomes.append({**tables.outcomes[0], "channel": "Search ", "revenue": 900})
    tables.write()
    found = night()
    assert found.fails == set()
    assert "Search " in found.named("outcome-without-spend").value


@pytest.mark.parametrize("name", ["Search", "search ", "SE ARCH"])
def test_outcomes_of_a_line_that_is_spelt_otherwise_in_the_spend_are_refused(
    tables: Any, night: Any, name: str
) -> None:
    for row in tables.outcomes:
        if row["channel"] == "search":
            row["channel"] = name
    tables.write()
    finding = night().named("outcome-without-spend")
    assert (finding.level, finding.source, finding.row) == (Level.FAIL, "outcomes", 2)
    assert finding.message.endswith("no spend row; spend writes it 'search / a1'")


def test_outcomes_that_nobody_paid_for_may_be_most(tables: Any, night: Any) -> None:
    tables.outcomes += [
        {**row, "channel": "organic", "revenue": row["revenue"] * 5} for row in tables.outcomes[::4]
    ]
    tables.write()
    found = night()
    assert found.fails == set()
    assert found.named("outcome-without-spend").level is Level.REVIEW


def test_a_spelling_that_was_given_up_weeks_ago_is_shown_and_stops_nothing(
    tables: Any, night: Any
) -> None:
    for row in tables.outcomes[:40]:
        row["channel"] = row["channel"].upper()
    tables.write()
    found = night()
    assert found.fails == set()
    assert found.named("outcome-without-spend").level is Level.REVIEW


def test_no_line_in_common_is_refused(tables: Any, night: Any) -> None:
    for row in tables.outcomes:
        row["channel"] = row["channel"].upper()
    tables.write()
    assert "no-outcome" in night().fails


@pytest.mark.parametrize(
    ("column", "write", "cause", "effect"),
    [
        ("spend", lambda cell: f"{cell}".replace(".", ","), "unreadable-number", "no-spend"),
        ("date", lambda cell: f"{cell} 12:00:00+00:00", "unreadable-day", "no-rows"),
    ],
)
def test_what_cannot_be_read_is_said_before_what_follows_from_it(
    tables: Any, night: Any, column: str, write: Any, cause: str, effect: str
) -> None:
    for row in tables.spend:
        row[column] = write(f"{row[column]:.2f}" if column == "spend" else row[column])
    tables.write()
    found = night()
    assert {cause, effect} <= found.fails
    assert found.all[0].check == cause


def test_a_night_without_rows_before_its_day_is_refused(tables: Any, night: Any) -> None:
    tables.write()
    assert "no-rows" in night(day=date(2020, 1, 1), today=DAY).fails


@pytest.mark.parametrize(("table", "check"), [("spend", "no-spend"), ("outcomes", "no-outcome")])
def test_a_column_of_zeros_is_refused(tables: Any, night: Any, table: str, check: str) -> None:
    for row in getattr(tables, table):
        row["spend" if table == "spend" else "revenue"] = 0
    tables.write()
    assert check in night().fails


def drop(tables: Any, keep: Any) -> None:
    tables.spend = [row for row in tables.spend if keep(row)]


NEWEST = (DAY - timedelta(days=1)).isoformat()


def test_stale_spend_is_refused(tables: Any, night: Any) -> None:
    drop(tables, lambda row: row["date"] != NEWEST)
    tables.write()
    found = night(suites=True)
    assert "stale-spend" in found.fails
    assert "2026-02-28" in found.named("stale-spend").message


def test_with_much_of_the_money_unheard_of_nothing_is_planned(tables: Any, night: Any) -> None:
    drop(tables, lambda row: (row["date"], row["channel"]) != (NEWEST, "social"))
    tables.write()
    assert "missing-group" in night().fails


@pytest.mark.parametrize("days", [1, 3, 6])
def test_a_small_channel_that_falls_silent_is_held_and_never_taken_as_zero(
    tables: Any, night: Any, days: int
) -> None:
    silent = {(DAY - timedelta(days=back)).isoformat() for back in range(1, days + 1)}
    for row in tables.spend:
        row["spend"] *= 1.0 if row["channel"] == "search" else 0.5
    drop(tables, lambda row: row["date"] not in silent or row["channel"] != "social")
    tables.write()
    found = night()
    assert found.fails == set()
    assert "missing-group" in found.reviews
    history = warehouse.read_history(night.work, tables.policy())
    assert not history.trusted[-days:, 2:].any()
    assert history.trusted[: -days - 1].all()
    assert history.spend[-days:, 2] == pytest.approx(150, rel=0.3)


def test_a_missing_line_is_refused_only_where_it_is_much_of_the_money(
    tables: Any, night: Any
) -> None:
    keep = list(tables.spend)
    drop(
        tables,
        lambda row: (row["date"], row["channel"], row["audience"]) != (NEWEST, "search", "a1"),
    )
    tables.write()
    assert "missing-lines" in night().fails
    tables.spend = keep
    drop(
        tables,
        lambda row: (row["date"], row["channel"], row["audience"]) != (NEWEST, "social", "a2"),
    )
    tables.write()
    found = night()
    assert found.fails == set()
    assert "missing-lines" in found.reviews
    history = warehouse.read_history(night.work, tables.policy())
    assert not history.trusted[-1, 3]
    assert history.spend[-1, 3] == pytest.approx(100, rel=0.2)


@pytest.mark.parametrize(
    ("days", "money", "level"),
    [(1, 1.2, Level.REVIEW), (2, 1.2, Level.REVIEW), (1, 0.3, Level.FAIL)],
)
def test_much_of_the_money_under_a_new_name_is_not_missing(
    tables: Any, night: Any, days: int, money: float, level: Level
) -> None:
    since = (DAY - timedelta(days=days)).isoformat()
    for row in tables.spend:
        if (row["channel"], row["audience"]) == ("search", "a1") and row["date"] >= since:
            row.update(audience="all", spend=row["spend"] * money, clicks=row["clicks"] * money)
    tables.write()
    finding = night().named("missing-lines")
    assert (finding.level, "for search / a1 (" in finding.message) == (level, True)


def test_a_new_name_that_plans_have_cut_since_is_not_missing_either(
    tables: Any, night: Any
) -> None:
    for row in tables.spend:
        days = (DAY - date.fromisoformat(row["date"])).days
        if (row["channel"], row["audience"]) == ("search", "a1"):
            money = 4 * 0.75 ** max(3 - days, 0)
            row.update(spend=row["spend"] * money, clicks=row["clicks"] * money)
            if days <= 3:
                row["audience"] = "all"
    tables.write()
    assert night().named("missing-lines").level is Level.REVIEW


def test_much_of_the_money_under_a_name_of_long_ago_is_not_missing(tables: Any, night: Any) -> None:
    since, old = ((DAY - timedelta(days=days)).isoformat() for days in (2, 20))
    for rows in (tables.spend, tables.outcomes):
        mine = [row for row in rows if (row["channel"], row["audience"]) == ("search", "a1")]
        rows += [{**row, "audience": "all"} for row in mine if row["date"] < old]
        for row in mine:
            if row["date"] >= since:
                row["audience"] = "all"
    tables.write()
    assert night().named("missing-lines").level is Level.REVIEW


def test_a_line_that_stopped_long_ago_is_paused(tables: Any, night: Any) -> None:
    limit = (DAY - timedelta(days=9)).isoformat()
    drop(
        tables,
        lambda row: (row["channel"], row["audience"]) != ("social", "a1") or row["date"] < limit,
    )
    tables.write()
    found = night()
    assert found.fails == set()
    assert "paused" in found.reviews


@pytest.mark.parametrize(("late", "level"), [(1, "reviews"), (3, "reviews"), (5, "fails")])
def test_outcomes_may_end_three_days_before_spend_and_are_then_looked_at(
    tables: Any, night: Any, late: int, level: str
) -> None:
    limit = (DAY - timedelta(days=late)).isoformat()
    tables.outcomes = [row for row in tables.outcomes if row["date"] < limit]
    tables.write()
    found = night()
    assert "stale-outcomes" in getattr(found, level)
    said = found.named("stale-outcomes").message
    assert f"spend has {late} day{'s' if late > 1 else ''} more; " in said
    assert ("at most 3 days late are worked with" in said) == (level == "fails")


def test_incomplete_last_days_are_normal(tables: Any, night: Any) -> None:
    for back, share in ((1, 0.2), (2, 0.5), (3, 0.8)):
        for row in tables.outcomes[-4 * back :][:4]:
            row["conversions"] = int(row["conversions"] * share)
            row["revenue"] = row["conversions"] * 50
    tables.write()
    assert night(suites=True).fails == set()


def test_a_silent_tracker_on_the_newest_day_is_refused(tables: Any, night: Any) -> None:
    for row in tables.outcomes:
        row["conversions"] *= 10
        row["revenue"] *= 10
    for row in tables.outcomes[-4:]:
        row["conversions"] = row["revenue"] = 0
    tables.write()
    assert "outage" in night().fails


@pytest.mark.parametrize("factor", [0.01, 100, 1e6])
def test_spend_in_another_unit_is_refused_on_the_newest_day_and_for_all_days(
    tables: Any, night: Any, factor: float
) -> None:
    good = [dict(row) for row in tables.spend]
    for row in tables.spend[-4:]:
        row["spend"] *= factor
    tables.write()
    assert {"spend-jump", "unit-shift", "unit-cost"} & night().fails
    tables.spend = [{**row, "spend": row["spend"] * factor} for row in good]
    tables.write()
    assert "spend-against-budget" in night().fails


def test_an_old_spike_is_doubted_and_its_likely_spend_stands_in(tables: Any, night: Any) -> None:
    row = tables.cell(tables.spend, 20, "search", "a2")
    row["spend"] *= 100
    tables.write()
    found = night()
    assert found.fails == set()
    assert "spend-jump" in found.reviews
    history = warehouse.read_history(night.work, tables.policy())
    assert not history.trusted[-20, 1]
    assert history.trusted.sum() == history.trusted.size - 1
    assert history.spend[-20, 1] == pytest.approx(200, rel=0.2)


def earlier(tables: Any, tmp_path: Path) -> RunFolder:
    from pipeline.io.sources import read_snapshot

    work = begin_run(str(tmp_path / "before"), "before")
    tables.write()
    policy = tables.policy()
    read_snapshot(policy, tables.folder, work)
    warehouse.build(work, policy, DAY - timedelta(days=1), DAY)
    return work.complete("before")


def test_restated_days_are_told_by_age_and_size(tables: Any, night: Any, tmp_path: Path) -> None:
    before = earlier(tables, tmp_path)
    tables.cell(tables.spend, 3, "search", "a1")["spend"] += 10
    tables.write()
    found = night(previous=before)
    assert (found.named("restated").level, found.fails) == (Level.PASS, set())
    for back in range(20, 40):
        tables.cell(tables.spend, back, "search", "a1")["spend"] *= 1.2
    tables.write()
    assert "restated" in night(previous=before).reviews


def test_a_rewritten_history_is_refused(tables: Any, night: Any, tmp_path: Path) -> None:
    before = earlier(tables, tmp_path)
    for row in tables.spend:  # two columns have changed places
        row["spend"], row["impressions"] = row["impressions"], row["spend"]
    tables.write()
    assert "rewritten" in night(previous=before).fails


def test_rows_that_vanish_are_noticed(tables: Any, night: Any, tmp_path: Path) -> None:
    before = earlier(tables, tmp_path)
    limits = [(DAY - timedelta(days=back)).isoformat() for back in (40, 35)]
    drop(tables, lambda row: not limits[0] <= row["date"] <= limits[1])
    tables.write()
    assert "rows-gone" in night(previous=before).reviews


def test_clean_nights_raise_no_alarm(tables: Any, night: Any) -> None:
    tables.write()
    alarms = 0
    for back in range(0, 40, 3):
        alarms += bool(night(day=DAY - timedelta(days=back), today=DAY).fails)
    assert alarms == 0


def test_swapped_columns_are_refused(tables: Any, night: Any) -> None:
    for row in tables.spend:
        row["clicks"], row["impressions"] = row["impressions"], row["clicks"]
    tables.write()
    assert "swapped-columns" in night().fails


def test_a_file_that_ends_in_a_row_and_lacks_lines_is_half_written(tables: Any, night: Any) -> None:
    tables.spend.pop()
    tables.write()
    assert "missing-lines" in night().reviews
    path = tables.folder / "spend.csv"
    path.write_bytes(path.read_bytes()[:-1])
    assert "cut-off" in night().fails


def test_a_history_that_got_shorter_is_shown(tables: Any, night: Any, tmp_path: Path) -> None:
    before = earlier(tables, tmp_path)
    limit = (DAY - timedelta(days=35)).isoformat()
    drop(tables, lambda row: row["date"] >= limit)
    tables.write()
    assert "shortened" in night(previous=before).reviews


def test_an_old_fault_is_recorded_and_no_longer_shown(tables: Any, night: Any) -> None:
    row = tables.cell(tables.spend, 45, "search", "a2")
    row["spend"] *= 100
    tables.write()
    found = night()
    assert found.reviews == set()
    assert found.named("spend-jump").level is Level.PASS


def test_the_same_tables_give_the_same_findings(tables: Any, night: Any) -> None:
    tables.spend[5]["spend"] = "?"
    tables.write()
    first = night().all
    files = night.work.hashes()
    assert night().all == first
    assert night.work.hashes() == files


def test_a_simulated_outage_of_one_channel_is_kept_from_the_model(tables: Any, night: Any) -> None:
    for row in tables.outcomes:
        row["conversions"] *= 5
        row["revenue"] *= 5
    for back in (20, 21, 22):
        for audience in ("a1", "a2"):
            row = tables.cell(tables.outcomes, back, "search", audience)
            row["conversions"] = row["revenue"] = 0
    tables.write()
    found = night()
    assert found.fails == set()
    assert "outage" in found.reviews
    trusted = warehouse.read_history(night.work, tables.policy()).trusted
    assert not trusted[-22:-19, :2].any()
    assert np.delete(trusted, [-20, -21, -22], axis=0).all()


def test_rows_older_than_three_years_are_counted_and_left_out(tables: Any, night: Any) -> None:
    """A long history is nothing wrong; that a part of it teaches nothing is said."""
    old = (DAY - timedelta(days=1_096)).isoformat()
    edge = (DAY - timedelta(days=1_095)).isoformat()
    for table in (tables.spend, tables.outcomes):
        first = dict(table[0])
        table[:0] = [{**first, "date": old}, {**first, "date": edge}]
    tables.write()
    found = [item for item in night().all if item.check == "too-old"]
    assert [(item.level, item.source) for item in found] == [
        (Level.PASS, "spend"),
        (Level.PASS, "outcomes"),
    ]
    assert found[0].message == (
        f"spend: rows before {edge} are left out (1); curves are learned from the newest 1,095 days"
    )
