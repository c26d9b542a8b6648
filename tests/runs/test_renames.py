"""Lines that go on under another name: budget and past go with them, and nothing is paid twice."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from pipeline.core.plan import Mode, PlanLine
from pipeline.core.watch import LineWatch, Watch
from pipeline.io.artefacts import begin_run
from pipeline.io.warehouse import read_likely_facts
from pipeline.runs import renames
from pipeline.runs.inputs import read_inputs
from pipeline.runs.storage import WATCH, read_facts
from tests.runs.shop import SPENDS, Shop, write_csv
from tests.runs.test_stopped import LINE, NOTHING, in_force, line_of, messages

OTHER = ("search", "generics")


def rename(rows: list[dict[str, object]], since: str = "") -> None:
    for row in rows:
        if (row["channel"], row["audience"]) == LINE and str(row["date"]) >= since:
            row["audience"] = OTHER[1]


def renamed_and_signed(shop: Shop) -> None:
    """Live the day of a rename and sign the plan that knows it."""
    in_force(shop)
    shop.later()
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-22")
    shop.night(shop.today)
    shop.approve()


@pytest.mark.parametrize("since", ["", "2026-11-22"])
def test_a_renamed_line_takes_its_budget_along(shop, since):
    """Whether its past is exported under the new name or stays under the old one."""
    money = in_force(shop)
    day = shop.later(2)
    for rows in (shop.spend, shop.outcomes):
        rename(rows, since)
    plan = shop.night(day)
    assert line_of(plan, OTHER).current == money
    assert sum(item.current for item in plan.lines) == pytest.approx(sum(SPENDS), rel=0.1)
    gone = [item for item in plan.lines if tuple(item.line.values()) == LINE]
    assert all((item.current, item.proposed) == (0.0, 0.0) for item in gone)
    (said,) = messages(plan, "renamed")
    assert said.startswith(
        "spend: search / generic has stopped, and search / generics, which has nothing of the "
        "plan in force, spends about as much: taken as the same line"
    )
    assert messages(plan, "line-without-data") == []
    assert messages(plan, "missing-lines") == []
    shop.approve()
    assert shop.statuses()[plan.plan_id] == "approved"


def same_curve(one: PlanLine, other: PlanLine) -> bool:
    """Return whether two nights believe the same of a line, but for what a fit draws."""
    pairs = ((one.expected, other.expected), (one.marginal_return, other.marginal_return))
    return all(a and b and a.mean == pytest.approx(b.mean, rel=0.1) for a, b in pairs)


def unsure(line: PlanLine) -> float:
    assert line.expected is not None
    return (line.expected.p95 - line.expected.p05) / line.expected.mean


def test_a_renamed_line_keeps_its_past_on_the_first_night_and_after(shop):
    """Also where two are renamed at once. A past under the new name is what it is held against."""
    second = ("social", "b"), ("social", "bb")
    in_force(shop)
    day, believed = shop.later(2), {}
    usual = shop.spend, shop.outcomes
    for since in ("", "2026-11-22"):
        shop.spend, shop.outcomes = ([dict(row) for row in rows] for rows in usual)
        for rows in (shop.spend, shop.outcomes):
            rename(rows, since)
            for row in rows:
                if (row["channel"], row["audience"]) == second[0] and row["date"] >= since:
                    row["audience"] = second[1][1]
        believed[since] = shop.night(day)
    plan = believed["2026-11-22"]
    assert len(plan.renamed) == 2
    for name in (OTHER, second[1]):
        assert same_curve(line_of(plan, name), line_of(believed[""], name))
    assert plan.new_lines is None
    shop.approve()
    day = shop.later()
    for rows in (shop.spend, shop.outcomes):
        for row in rows:
            if row["date"] == "2026-11-24" and row["audience"] == LINE[1]:
                row["audience"] = OTHER[1]
            if row["date"] == "2026-11-24" and row["audience"] == second[0][1]:
                row["audience"] = second[1][1]
    after = shop.night(day)
    assert messages(after, "renamed") == []
    assert after.renamed == plan.renamed
    assert after.new_lines is None
    for name in (OTHER, second[1]):
        assert unsure(line_of(after, name)) < 1.3 * unsure(line_of(plan, name))


def test_names_are_compared_once_however_often_a_night_asks(shop, monkeypatch):
    """Hundreds that were renamed at once are tens of thousands of pairs."""
    in_force(shop)
    shop.later(2)
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-22")
    run = shop.run(shop.night(shop.today))
    monkeypatch.setattr(renames.difflib, "SequenceMatcher", None)
    assert renames.renamed(read_likely_facts(run), read_inputs(run)) == {LINE: OTHER}


def test_a_lift_test_under_the_old_name_teaches_the_new_one(shop):
    shop.settings["sources"]["experiments"] = {"path": "data/experiments.csv"}
    test = {"from": "2026-10-20", "to": "2026-11-02", "channel": LINE[0], "audience": LINE[1],
            "lift": 900, "standard_error": 100, "spend_change": "all", "name": "pause"}  # fmt: skip
    write_csv(shop.folder / "data" / "experiments.csv", [test])
    in_force(shop)
    shop.later(2)
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-22")
    run = shop.run(shop.night(shop.today))
    (taught,) = read_facts(run, read_inputs(run)).lift_tests
    assert taught.lines == (OTHER,)


def test_a_fallback_keeps_the_new_names_in_mind(shop):
    in_force(shop)
    shop.later(2)
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-22")
    plan = shop.night(shop.today)
    shop.approve()
    fallback = shop.night(shop.today + timedelta(days=1))
    assert fallback.mode is Mode.FALLBACK
    assert fallback.renamed == plan.renamed


def test_names_that_spend_beside_each_other_again_are_two_lines(shop):
    in_force(shop)
    shop.later(2)
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-22")
    assert shop.night(shop.today).renamed
    shop.approve()
    shop.later(7)
    for rows in (shop.spend, shop.outcomes):
        rows += [{**row, "audience": OTHER[1]} for row in rows if row["date"] >= "2026-11-24"
                 and (row["channel"], row["audience"]) == LINE]  # fmt: skip
    assert shop.night(shop.today).renamed == ()


def test_a_line_that_rests_two_days_before_its_new_name_takes_its_budget_along(shop):
    money = in_force(shop)
    shop.later(3)
    for rows in (shop.spend, shop.outcomes):
        rows[:] = [
            row
            for row in rows
            if (row["channel"], row["audience"]) != LINE
            or row["date"] not in ("2026-11-22", "2026-11-23")
        ]
        rename(rows, "2026-11-24")
    next(row for row in shop.spend if row["audience"] == OTHER[1])["spend"] = money
    plan = shop.night(shop.today)
    assert line_of(plan, OTHER).current == money
    assert line_of(plan).current == line_of(plan).proposed == 0.0


def test_the_month_does_not_pay_a_renamed_line_under_both_names(shop):
    """Nor on the nights after, when the old name is still missed within its week."""
    shop.settings["budget"] = {"monthly": 30_000}
    in_force(shop)
    day = shop.later(2)
    usual = shop.spend
    budgets, said = [], []
    for is_renamed in (False, True):
        shop.spend = [dict(row) for row in usual]
        if is_renamed:
            rename(shop.spend, "2026-11-22")
        plan = shop.night(day)
        budgets.append(plan.budget)
        said += messages(plan, "missing-lines")
    assert budgets[0] == pytest.approx(budgets[1], abs=0.01)
    shop.approve()
    day = shop.later()
    rename(shop.spend, "2026-11-24")
    assert [*said, *messages(shop.night(day), "missing-lines")] == []


def test_a_line_that_was_renamed_in_the_middle_of_a_day_is_seen_on_the_next(shop):
    """On the day itself both names spend, so the plan that is signed then knows both."""
    in_force(shop)
    shop.later()
    for rows in (shop.spend, shop.outcomes):
        for row in [r for r in rows if (r["channel"], r["audience"]) == LINE]:
            if row["date"] == "2026-11-22":
                row.update({"spend": float(row["spend"]) / 2} if "spend" in row else {})
                rows.append({**row, "audience": OTHER[1]})
    both = shop.night(shop.today)
    shop.approve()
    assert line_of(both).proposed > 0
    shop.later()
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-23")
    plan = shop.night(shop.today)
    assert line_of(plan, OTHER).current == line_of(both, OTHER).proposed
    assert line_of(plan).current == line_of(plan).proposed == 0.0
    (said,) = messages(plan, "renamed")
    assert "search / generics, which began then, spends about as much" in said
    shop.approve()
    assert shop.statuses()[plan.plan_id] == "approved"


@pytest.mark.parametrize("days", [3, 10])
def test_a_line_that_gets_its_old_name_back_takes_its_budget_along(shop, days):
    """The plan in force knows the old name, with 0."""
    in_force(shop)
    shop.later(2)
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-23")
    there = line_of(shop.night(shop.today), OTHER).proposed
    shop.approve()
    rows = [row for row in shop.spend if row["audience"] == OTHER[1]]
    for _ in range(days + 1):
        shop.later()
        for table in (shop.spend, shop.outcomes):
            like = {**table[-1], "channel": LINE[0], "audience": OTHER[1]}
            if "spend" in like:
                like["spend"] = rows[-1]["spend"]
            day = like["date"]
            table[:] = [r for r in table if r["date"] != day or (r["channel"], r["audience"]) not in
                        (LINE, OTHER)]  # fmt: skip
            table.append(like)
    for table in (shop.spend, shop.outcomes):
        for row in table:
            if row["audience"] == OTHER[1] and row["date"] == table[-1]["date"]:
                row["audience"] = LINE[1]
    plan = shop.night(shop.today)
    assert line_of(plan).current == there
    assert line_of(plan, OTHER).current == line_of(plan, OTHER).proposed == 0.0
    shop.approve()
    assert shop.statuses()[plan.plan_id] == "approved"
    assert sum(item.current for item in plan.lines) == pytest.approx(sum(SPENDS), rel=0.1)


def test_a_renamed_line_takes_a_name_that_was_there_long_ago(shop):
    money = in_force(shop)
    day = shop.later(2)
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-23")
        rows += [{**row, "audience": OTHER[1]} for row in rows if row["date"] < "2026-10-20"
                 and (row["channel"], row["audience"]) == LINE]  # fmt: skip
    plan = shop.night(day)
    assert line_of(plan, OTHER).current == money
    assert line_of(plan).current == line_of(plan).proposed == 0.0


def test_a_renamed_line_of_much_of_the_money_gets_a_plan(shop):
    for row in shop.spend:
        if (row["channel"], row["audience"]) == LINE:
            row["spend"] = float(row["spend"]) * 3
    money = in_force(shop)
    day = shop.later(2)
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-23")
    plan = shop.night(day)
    assert plan.mode is not Mode.FALLBACK
    assert line_of(plan, OTHER).current == money
    assert money > 0.4 * sum(item.current for item in plan.lines)


def test_a_line_that_begins_while_another_goes_on_is_not_a_new_name(shop):
    in_force(shop)
    day = shop.later(2)
    for rows in (shop.spend, shop.outcomes):
        rows += [{**row, "audience": OTHER[1]} for row in rows if row["date"] >= "2026-11-22"
                 and (row["channel"], row["audience"]) == LINE]  # fmt: skip
    assert messages(shop.night(day), "renamed") == []


def test_a_line_of_quite_other_money_is_not_a_new_name(shop):
    in_force(shop)
    day = shop.later(2)
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-22")
    for row in shop.spend:
        if row["audience"] == OTHER[1]:
            row["spend"] = 20.0
    plan = shop.night(day)
    assert messages(plan, "renamed") == []
    assert line_of(plan).proposed > 0


def test_two_lines_that_finance_fixed_are_not_one_under_two_names(shop):
    in_force(shop)
    shop.later(2)
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-22")
    assert shop.night(shop.today).renamed
    for name, money in ((LINE, 0), (OTHER, 300)):
        shop.cap(scope={"channel": name[0], "audience": name[1]}, fixed=money)
    plan = shop.night(shop.today)
    assert plan.renamed == ()
    assert messages(plan, "renamed") == []
    assert sum(item.proposed for item in plan.lines) == pytest.approx(plan.budget)


def test_of_two_that_spend_alike_each_keeps_the_name_that_is_like_its_own(open_shop):
    """The money of a day or two tells little then: here it would take one for the other."""
    shop = open_shop(spends=(100, 300, 230, 250, 150), seed=1)
    in_force(shop)
    shop.later(2)
    for rows in (shop.spend, shop.outcomes):
        for row in rows:
            if row["channel"] == "social" and row["date"] >= "2026-11-22":
                row["audience"] += "_2027"
    names = shop.night(shop.today).names
    assert names == {("social", one): ("social", f"{one}_2027") for one in "ab"}


@pytest.mark.parametrize("region", ["north", "south"])
def test_a_past_that_stays_in_another_region_is_not_said_to_teach(open_shop, region):
    lines = [("north", "search"), ("north", "tv"), ("south", "search"), ("south", "tv")]
    shop = open_shop(columns=("region", "channel"), lines=lines, spends=(250, 200, 300, 250))
    summed: dict[tuple[str, str], float] = {}
    for row in shop.outcomes:
        at = row["date"], row["region"]
        summed[at] = round(summed.get(at, 0.0) + row["revenue"], 2)
    shop.outcomes = [{"date": day, "region": place, "revenue": amount}
                     for (day, place), amount in summed.items()]  # fmt: skip
    shop.settings["sources"]["outcomes"]["by"] = ["region"]
    shop.night()
    shop.approve()
    shop.later()
    shop.line_rows("north", "tv")[-1].update(region=region, channel="video")
    plan = shop.night(shop.today)
    (said,) = messages(plan, "renamed")
    assert ("whose past teaches its curve" in said) == bool(plan.renamed) == (region == "north")


def test_a_former_name_is_said_to_go_on_and_its_lesson_goes_along(shop):
    in_force(shop)
    for _ in range(2):  # the first of them begins the week
        shop.later()
        before = shop.night(shop.today)
        shop.approve()
    lesson = before.exploration.moves[0]
    old = tuple(lesson.up.split(" / "))
    shop.later()
    for rows in (shop.spend, shop.outcomes):
        for row in rows:
            if (row["channel"], row["audience"]) == old and row["date"] == "2026-11-24":
                row["audience"] += "-new"
    plan = shop.night(shop.today)
    assert line_of(plan, old).reason == f"held: it goes on as {lesson.up}-new"
    assert line_of(plan, old).marginal_return is None
    (known,) = [item.message for item in plan.model_health.checks if item.check.endswith("fied")]
    assert f"{lesson.up}," not in f"{known},"
    pairs = {(move.up, move.down): move.since for move in plan.exploration.moves}
    assert pairs[f"{lesson.up}-new", lesson.down] == lesson.since


def test_what_is_not_known_of_a_former_name_is_no_doubt_of_the_new_one(shop):
    """Outcomes came under the new name before spend did: its days without an outcome are old."""
    in_force(shop)
    shop.later(3)
    rename(shop.outcomes, "2026-11-22")
    rename(shop.spend, "2026-11-24")
    plan = shop.night(shop.today)
    assert plan.renamed
    run = shop.run(plan)
    history = read_facts(run, read_inputs(run)).history
    assert history.trusted[:, history.lines.index(OTHER)].tolist()[-3:] == [False, False, True]


def test_a_renamed_line_rests_as_it_did_under_its_old_name(shop):
    def weekends() -> None:
        for row in shop.line_rows(*LINE) + shop.line_rows(*OTHER):
            if date.fromisoformat(row["date"]).weekday() >= 5:
                row.update(NOTHING)

    weekends()
    in_force(shop)
    shop.later(3)
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-23")
    assert shop.night(shop.today).renamed
    shop.approve()
    shop.later(4)  # up to Saturday
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-23")
    weekends()
    plan = shop.night(shop.today)
    assert plan.renamed
    assert messages(plan, "stopped") == []


def test_what_is_done_about_a_line_is_done_about_its_new_name(shop, tmp_path):
    """An alarm of before the rename still widens its curve and makes its old days teach less."""
    in_force(shop)
    shop.later(2)
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-22")
    run = shop.run(shop.night(shop.today))
    done = LineWatch(widen=2.0, forget_before=date(2026, 11, 15))
    work = begin_run(str(tmp_path / "runs"), "work")
    for name in run.names():
        work.write_bytes(name, run.read_bytes(name))
    work.write_json(WATCH, Watch(lines=((LINE, done),)).model_dump(mode="json"))
    facts = read_facts(work, read_inputs(work))
    assert facts.watch.by_line() == {OTHER: done}
    teaches = facts.history.trusted[:, facts.history.lines.index(OTHER)]
    assert teaches[-9:].all()
    assert teaches[:-9].mean() == pytest.approx(1 / 3, abs=0.02)


def test_the_page_draws_the_past_of_a_renamed_line(shop):
    in_force(shop)
    shop.later(2)
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-22")
    page = shop.run(shop.night(shop.today)).read_bytes("report.html").decode()
    assert "Response curve of search / generic<" not in page
    drawn = page.split("Response curve of search / generics", 1)[1]
    assert "Week of 2026-10-" in drawn.split("Response curve of", 1)[0]


def test_cents_under_a_former_name_stop_nothing_and_part_no_lines(shop):
    """Late corrections of a platform, for as many days as they like."""
    in_force(shop)
    shop.later(2)
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-23")
    assert shop.night(shop.today).renamed
    shop.approve()
    for _ in range(3):
        shop.later()
        last = shop.spend[-1]["date"]
        for rows in (shop.spend, shop.outcomes):
            rename(rows, last)
        shop.spend.append({**shop.line_rows(*OTHER)[-1], "audience": LINE[1], "spend": 0.4})
        plan = shop.night(shop.today)
        assert plan.mode is not Mode.FALLBACK
        assert plan.renamed
        shop.approve()
    assert messages(plan, "returned") == []


def test_days_of_two_lines_never_add_up_where_one_takes_the_former_name_of_another(shop):
    """As where two swap names over some days, by a name between."""
    other = ("social", "b")
    renamed_and_signed(shop)
    shop.later()
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-23")
        for row in rows:
            if (row["channel"], row["audience"]) == other and row["date"] == "2026-11-23":
                row.update(channel=LINE[0], audience=LINE[1])
    plan = shop.night(shop.today)
    (said,) = messages(plan, "renamed")
    assert said.startswith("spend: social / b has stopped, and search / generic")
    assert "whose past" not in said
    assert other not in plan.names
    run = shop.run(plan)
    history = read_facts(run, read_inputs(run)).history
    spent = [row["spend"] for row in shop.line_rows(*LINE)]
    assert history.spend[:, history.lines.index(LINE)].sum() == pytest.approx(sum(spent))


def test_a_line_that_stops_within_a_week_of_a_rename_is_not_the_same_line_too(shop):
    """Its money would be lost, and the days of two lines would add up."""
    other = ("social", "b")
    renamed_and_signed(shop)
    shop.later()
    shop.line_rows(*other)[-1].update(NOTHING)
    for rows in (shop.spend, shop.outcomes):
        rename(rows, "2026-11-23")
    plan = shop.night(shop.today)
    assert messages(plan, "renamed") == []
    assert line_of(plan, other).proposed == line_of(plan, other).current > 0
    assert sum(item.current for item in plan.lines) == pytest.approx(plan.budget)
