"""Lift tests as a source: what they do to a plan, and what is refused by name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipeline.core.errors import DataNotTrustedError
from pipeline.core.findings import Level
from pipeline.core.plan import Mode, Plan
from pipeline.runs.checking import check_portfolio, replay_plan
from tests.runs.shop import DAY, Shop, write_csv

FROM, TO = (DAY - timedelta(days=21)).isoformat(), (DAY - timedelta(days=8)).isoformat()


def with_tests(shop: Shop, *rows: dict[str, Any]) -> Shop:
    shop.settings["sources"]["experiments"] = {"path": "data/experiments.csv"}
    usual = {"from": FROM, "to": TO, "standard_error": 150, "spend_change": "all", "name": "test"}
    write_csv(shop.folder / "data" / "experiments.csv", [{**usual, **row} for row in rows])
    return shop


def caused(plan: Plan, *line: str) -> float:
    """Return what a line's money is expected to earn."""
    return next(i.expected.mean for i in plan.lines if tuple(i.line.values()) == line)


def marginal(plan: Plan, *line: str) -> tuple[float, float]:
    """Return mean and width of a line's marginal return."""
    found = next(item for item in plan.lines if tuple(item.line.values()) == line)
    return_ = found.marginal_return
    return return_.mean, return_.p95 - return_.p05


def test_a_test_moves_the_curve_its_way_and_narrows_it(open_shop):
    none = open_shop("none").night()
    shop = with_tests(
        open_shop("low"), {"channel": "social", "audience": "a", "lift": 300, "name": "pause a"}
    )
    low = shop.night()
    high = with_tests(
        open_shop("high"), {"channel": "social", "audience": "a", "lift": 14500, "name": "pause a"}
    ).night()
    line = ("social", "a")
    (mean, width), (less, narrow) = (marginal(p, *line) for p in (none, low))
    assert less < 0.6 * mean
    assert narrow < 0.6 * width
    # The days, not the test, say how steep the curve is; the test says how much spend causes.
    assert caused(high, *line) > 1.2 * caused(none, *line) > 1.2 * caused(low, *line)
    finding = next(f for f in low.model_health.checks if f.check == "model.experiments")
    assert finding.message == "1 lift test taught the curves: pause a"
    page = (shop.run(low).read_bytes("report.html")).decode()
    assert "pause a" in page
    assert replay_plan(shop.portfolio, low.plan_id).differences == ()


def test_a_test_of_a_channel_teaches_all_its_lines(open_shop):
    none = open_shop("none").night()
    low = with_tests(
        open_shop("low"), {"channel": "social", "lift": 300, "standard_error": 500}
    ).night()
    for line in (("social", "a"), ("social", "b")):
        assert marginal(low, *line)[0] < 0.8 * marginal(none, *line)[0]


@pytest.mark.parametrize("rows", ["", "\n", ",,,,,\n"], ids=["none", "blank", "empty cells"])
def test_a_table_with_a_header_and_no_rows_says_that_nothing_was_tested(shop, rows):
    shop.settings["sources"]["experiments"] = {"path": "data/experiments.csv"}
    shop.write()
    header = "channel,from,to,lift,standard_error,spend_change\n"
    (shop.folder / "data" / "experiments.csv").write_text(header + rows)
    plan = shop.night()
    assert plan.mode is not Mode.FALLBACK
    assert not [finding for finding in plan.findings if finding.source == "experiments"]
    assert not [f for f in plan.model_health.checks if f.check == "model.experiments"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"lift": 1_700_000}, "came in all"),
        ({"lift": -20_000, "standard_error": 300}, "in opposite directions"),
        ({"lift": 12, "standard_error": 3}, "finer than any test measures"),
        ({"lift": 300, "spend_change": 1_400_000}, "all its lines spent"),
        ({"lift": 300, "metric": "profit"}, "it counts profit, which outcomes do not hold"),
    ],
)
def test_a_test_that_cannot_be_changes_no_plan_and_is_named(open_shop, row, said):
    none = open_shop("none").night()
    plan = with_tests(open_shop("odd"), {"channel": "social", "audience": "a", **row}).night()
    (finding,) = [f for f in plan.model_health.checks if f.check == "model.experiment"]
    assert finding.level == Level.REVIEW
    assert said in finding.message
    assert plan.budgets == none.budgets


def test_a_channels_test_comes_out_as_its_sum(open_shop):
    """Far from what the days expect: the lines together, not each by what it leaves the other."""
    none = open_shop("none").night()
    lines = (("social", "a"), ("social", "b"))
    days = sum(caused(none, *line) for line in lines)
    low = with_tests(open_shop("low"), {"channel": "social", "lift": 14 * 0.3 * days}).night()
    assert sum(caused(low, *line) for line in lines) < 0.6 * days
    finding = next(f for f in low.model_health.checks if f.check == "model.experiment")
    assert "standard errors apart; it is used" in finding.message


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"lift": "nan"}, "row 2, column lift: 'nan' is not a plain number"),
        ({"standard_error": -1}, "row 2, column standard_error: '-1' is not above zero"),
        ({"to": "1/2/26"}, "row 2, column to: '1/2/26' is not an ISO day"),
        ({"spend_change": 0}, "row 2, column spend_change: '0' moved no money"),
        ({"currency": "USD"}, "row 2, column currency: 'USD' is not the portfolio's EUR"),
    ],
)
def test_a_cell_that_is_no_evidence_stops_the_night_by_name(shop, row, said):
    with_tests(shop, {"channel": "social", "lift": 300, **row})
    with pytest.raises(DataNotTrustedError, match=said):
        shop.night()


def test_a_test_that_is_given_twice_is_refused(shop):
    row = {"channel": "social", "lift": 300, "standard_error": 500}
    with_tests(shop, row, {**row, "lift": 400})
    with pytest.raises(DataNotTrustedError, match=r"row 3, column from: .* repeats the lines"):
        shop.night()


def test_two_studies_of_one_line_and_window_are_used_and_share_what_they_say(shop):
    row = {"channel": "social", "lift": 300, "standard_error": 500}
    with_tests(shop, {**row, "name": "geo"}, {**row, "lift": 400, "name": "platform study"})
    checks = shop.night().model_health.checks
    assert "2 lift tests taught the curves: geo, platform study" in [f.message for f in checks]
    (finding,) = [f for f in checks if "not independent and count as one" in f.message]
    assert finding.level == Level.REVIEW


def test_unknown_lines_and_other_days_are_named_and_left_out(shop):
    with_tests(
        shop,
        {"channel": "radio", "lift": 300},
        {"channel": "social", "lift": 300, "from": "2020-01-01", "to": "2020-02-01"},
        {"channel": "social", "lift": 300, "to": DAY.isoformat()},
    )
    shop.write()
    found = [f for f in check_portfolio(shop.portfolio, DAY) if f.check == "unusable-experiment"]
    assert {f.level for f in found} == {Level.REVIEW}
    assert "'radio' names no line that has a spend row" in found[0].message
    plan = shop.night()
    assert not [f for f in plan.model_health.checks if f.check == "model.experiments"]


def test_a_file_without_a_column_says_which(shop):
    shop.settings["sources"]["experiments"] = {"path": "data/experiments.csv"}
    rows = [{"channel": "social", "from": FROM, "to": TO, "lift": 300, "spend_change": "all"}]
    write_csv(shop.folder / "data" / "experiments.csv", rows)
    with pytest.raises(DataNotTrustedError, match="no column 'standard_error'"):
        shop.night()
